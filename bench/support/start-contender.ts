import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import type { Contender, ProcessOptions } from '../scenario.ts'

/** Starts `bench/<file>` with a channel for its reports. What it writes to stderr is shown. */
export function startContender(file: string, options: ProcessOptions = {}): Contender {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url))
  const { PATH = '', HOME = '' } = process.env
  const child = fork(path, options.args ?? [], {
    env: { PATH, HOME, ...options.env },
    execArgv: [...(options.nodeArgs ?? [])],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const ended = once(child, 'exit').then(() => child.exitCode ?? child.signalCode)
  const reports: unknown[] = []
  let heard = Promise.withResolvers<void>()
  child.on('message', (message) => {
    reports.push(message)
    heard.resolve()
    heard = Promise.withResolvers()
  })

  async function report<T>(): Promise<T> {
    for (;;) {
      if (reports.length > 0) return reports.shift() as T
      const more = await Promise.race([heard.promise.then(() => true), ended.then(() => false)])
      if (!more && reports.length === 0) throw new Error(`${file} ended without a report`)
    }
  }

  return {
    pid: child.pid ?? 0,
    report,
    send: (command) => void child.send(command),
    async stop() {
      child.kill('SIGTERM')
      // The channel would keep it alive.
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
