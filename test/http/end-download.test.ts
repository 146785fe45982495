import { createServer, request, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { whenEnded } from '#http/reports/end-download.ts'

import { eventually } from '../support/eventually.ts'

/** A response whose turn on its connection has not come, and the versions of Node that tell it nothing of that. */
async function askForFile(onEnd: () => void) {
  const heard = Promise.withResolvers<void>()
  const server = createServer((incoming) => {
    whenEnded({ request: incoming, response: new ServerResponse(incoming) }, onEnd)
    heard.resolve()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const asked = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  asked.on('error', () => {})
  asked.end()
  await heard.promise
  return asked
}

test('a file whose turn on its connection never came has ended when the connection closes, in every version of Node', async () => {
  let ends = 0
  const asked = await askForFile(() => {
    ends += 1
  })
  expect(ends).toBe(0)
  asked.destroy()
  await eventually(() => ends > 0)
})
