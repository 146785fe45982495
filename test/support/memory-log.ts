import { Writable } from 'node:stream'

import { createLog } from '#base/log.ts'

/** A worker's log, and what it wrote so far. */
export function memoryLog() {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  return { log: createLog('worker', 'info', stream), lines: () => text }
}
