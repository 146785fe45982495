import type { Readable } from 'node:stream'

import { expect, test } from 'vitest'

import { custom } from '#targets/custom.ts'
import { email } from '#targets/email/email.ts'
import { http } from '#targets/http/http.ts'
import { webhook } from '#targets/http/webhook.ts'
import type { TargetDefinition } from '#targets/target-kind.ts'

import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { startMailServer } from './support/start-mail-server.ts'
import { startReceiver } from './support/start-receiver.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const allowPrivate = '127.0.0.1'

// Concurrency is raised while a worker runs, and the worker bounds the calls: a target that bounded them once
// more, by what its file says, would let calls wait until their deadline.
test.each<[string, (url: string) => TargetDefinition]>([
  ['http', (url) => http({ url, concurrency: 1 })],
  ['webhook', (url) => webhook({ url, secret, allowPrivate, concurrency: 1 })],
  ['custom', (url) => custom(async ({ http }) => void (await http({ url })), { concurrency: 1 })],
])('more calls of %s than its concurrency wait for no connection', async (_kind, define) => {
  const together = gather(3)
  const { url } = await startReceiver((response) => together(() => response.end()))
  expect(await callThrice(define(url))).toEqual(['delivered', 'delivered', 'delivered'])
})

test('more mails than the concurrency wait for no connection', async () => {
  const together = gather(3)
  const { url: smtp } = await startMailServer({
    onData: (stream: Readable, _session, callback) => {
      stream.resume()
      stream.on('end', () => together(() => callback(null)))
    },
  })
  const from = 'Shop <orders@shop.example>'
  const mail = email({ template: 'order-confirmation', from, smtp, concurrency: 1 })
  expect(await callThrice(mail)).toEqual(['delivered', 'delivered', 'delivered'])
})

test('calls one after another share a connection', async () => {
  const ports = new Set<number | undefined>()
  const { url } = await startReceiver((response, _received, { socket }) => {
    ports.add(socket.remotePort)
    response.end()
  })
  const target = createTarget('erp', http({ url }))
  for (const attempt of [1, 2, 3]) {
    await target.call(exampleCall({ attempt }))
    // A connection is free again in the next turn of the event loop.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  }
  expect(ports.size).toBe(1)
})

async function callThrice(definition: TargetDefinition): Promise<string[]> {
  const target = createTarget('erp', definition)
  const calls = [1, 2, 3].map((attempt) => target.call(exampleCall({ attempt })))
  return (await Promise.all(calls)).map(({ kind }) => kind)
}

/** Answers nobody until `count` have asked. */
function gather(count: number): (answer: () => void) => void {
  const waiting: (() => void)[] = []
  return (answer) => {
    waiting.push(answer)
    if (waiting.length === count) for (const one of waiting) one()
  }
}
