import { getEventListeners } from 'node:events'

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

// Node keeps a composite signal for as long as somebody listens to it: a listener left behind is memory that
// each call costs for ever.
test.each<[string, (servers: { url: string; smtp: string }) => TargetDefinition]>([
  ['http', ({ url }) => http({ url })],
  ['custom', ({ url }) => custom(async ({ http }) => void (await http({ url })))],
  [
    'webhook',
    ({ url }) =>
      webhook({
        url,
        secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        allowPrivate: '127.0.0.1',
      }),
  ],
  [
    'email',
    ({ smtp }) =>
      email({ template: 'order-confirmation', from: 'Shop <orders@shop.example>', smtp }),
  ],
])('a call of %s that has ended costs no memory', async (_kind, define) => {
  const { url } = await startReceiver((response) => response.end())
  const { url: smtp } = await startMailServer()
  const target = createTarget('erp', define({ url, smtp }))
  // The second call goes over the connection of the first.
  for (const attempt of [1, 2]) {
    const { signal } = new AbortController()

    expect(await target.call(exampleCall({ attempt, signal }))).toMatchObject({ kind: 'delivered' })

    expect(getEventListeners(signal, 'abort')).toEqual([])
  }
})

test.each<[string, (url: string) => TargetDefinition]>([
  ['http', (url) => http({ url, lookup: async ({ http }) => Boolean(await http({ url: '/' })) })],
  ['custom', () => custom(async () => {}, { lookup: async () => true })],
])('a lookup of %s that has ended costs no memory', async (_kind, define) => {
  const { url } = await startReceiver((response) => response.end())
  const { signal } = new AbortController()

  const target = createTarget('erp', define(url))
  expect(await target.lookup?.(exampleCall({ signal }))).toEqual({ kind: 'known' })

  expect(getEventListeners(signal, 'abort')).toEqual([])
})
