import { subscribe } from 'node:diagnostics_channel'
import type { LookupFunction } from 'node:net'

import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, onTestFinished, test } from 'vitest'

import { createWebhook, webhook } from '#targets/http/webhook.ts'

import { eventually } from '../support/eventually.ts'
import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { startReceiver, type Received } from './support/start-receiver.ts'

const oldSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const newSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const allowPrivate = '127.0.0.1'

test('a receiver with either secret verifies the call with the packages of Standard Webhooks and Svix', async () => {
  const partner = await startReceiver((response) => response.writeHead(204).end())
  const target = createTarget(
    'partner-webhook',
    webhook({ url: partner.url, secret: `${newSecret} ${oldSecret}`, allowPrivate }),
  )
  const call = exampleCall()
  expect(await target.call(call)).toEqual({ kind: 'delivered', answer: { status: 204, text: '' } })
  const [received] = partner.received
  if (!received) throw new Error('the partner was not called')
  for (const secret of [oldSecret, newSecret]) {
    expect(verify(new StandardWebhook(secret), received)).toEqual({
      type: 'order.placed',
      timestamp: call.message.createdAt,
      data: call.order,
    })
    // Svix's own package only throws, or does not.
    verify(new SvixWebhook(secret), received)
  }
  const tampered = { ...received, body: received.body.replace('46350', '1') }
  expect(() => verify(new StandardWebhook(oldSecret), tampered)).toThrow('No matching signature')
  expect(() => verify(new SvixWebhook(newSecret), tampered)).toThrow('No matching signature')
  expect(received.headers['idempotency-key']).toBe(call.idempotencyKey)
})

test('every attempt carries the same webhook-id, without a dot', async () => {
  const partner = await startReceiver((response) => response.writeHead(503).end())
  const target = createTarget(
    'partner-webhook',
    webhook({ url: partner.url, secret: oldSecret, allowPrivate }),
  )
  const { message } = exampleCall()
  for (const attempt of [1, 2]) {
    await target.call(exampleCall({ attempt, message: { ...message, id: 'a.b.c' } }))
  }
  expect(partner.received.map(({ headers }) => headers['webhook-id'])).toEqual([
    'msg_abc',
    'msg_abc',
  ])
})

test('a partner that asks for time is not told before', async () => {
  const partner = await startReceiver((response) =>
    response.writeHead(503, { 'retry-after': '7200' }).end(),
  )
  const target = createTarget(
    'partner-webhook',
    webhook({ url: partner.url, secret: oldSecret, allowPrivate }),
  )
  expect(await target.call(exampleCall())).toMatchObject({
    kind: 'try-again',
    notBeforeSeconds: 3_600,
  })
})

test('a payload of one’s own is signed as it is sent', async () => {
  const partner = await startReceiver((response) => response.end())
  const target = createTarget(
    'partner-webhook',
    webhook({
      url: partner.url,
      secret: [oldSecret],
      allowPrivate: ['127.0.0.0/8'],
      payload: ({ order }) => ({ number: order.externalId, note: 'ü \u2028' }),
    }),
  )
  await target.call(exampleCall())
  const [received] = partner.received
  if (!received) throw new Error('the partner was not called')
  expect(verify(new StandardWebhook(oldSecret), received)).toEqual({
    number: 'WEB-10042',
    note: 'ü \u2028',
  })
})

test('a payload function that throws is named, and the delivery given up', async () => {
  const target = createTarget(
    'partner-webhook',
    webhook({
      url: 'https://partner.invalid',
      secret: oldSecret,
      payload: () => {
        throw new Error('no number')
      },
    }),
  )
  expect(await target.call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'targets.partner-webhook.payload: threw: no number',
  })
})

test.each([
  [200, 'delivered'],
  [410, 'give-up'],
  [400, 'give-up'],
  [404, 'give-up'],
  [308, 'give-up'],
  [408, 'try-again'],
  [425, 'try-again'],
  [429, 'try-again'],
  [502, 'try-again'],
  [503, 'try-again'],
  [504, 'try-again'],
])('an endpoint that answers %i: %s', async (status, kind) => {
  const partner = await startReceiver((response) =>
    response.writeHead(status, { 'retry-after': '7' }).end(),
  )
  const target = createTarget(
    'partner-webhook',
    webhook({ url: partner.url, secret: oldSecret, allowPrivate }),
  )
  expect(await target.call(exampleCall())).toMatchObject({
    kind,
    ...(kind === 'try-again' ? { notBeforeSeconds: 7 } : {}),
  })
})

test('a redirect into the network is not followed', async () => {
  const metadata = await startReceiver((response) => response.end())
  const partner = await startReceiver((response) =>
    response.writeHead(302, { location: metadata.url }).end(),
  )
  const target = createTarget(
    'partner-webhook',
    webhook({ url: partner.url, secret: oldSecret, allowPrivate }),
  )
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'give-up' })
  expect(metadata.received).toEqual([])
})

test.each([
  'http://169.254.169.254/latest/meta-data',
  'http://127.0.0.1',
  'http://2130706433',
  'http://0x7f.1',
  'http://017700000001',
  'http://[::1]',
  'http://[::ffff:127.0.0.1]',
  'http://[64:ff9b::a9fe:a9fe]',
  'http://[fd00::1]',
  'http://localhost',
])('%s is refused: it is inside the network', async (url) => {
  const inside = await startReceiver((response) => response.end())
  const address = new URL(url)
  address.port = `${inside.port}`
  const target = createTarget('partner-webhook', webhook({ url: address.href, secret: oldSecret }))
  expect(await target.call(exampleCall())).toMatchObject({
    kind: 'give-up',
    reason: expect.stringMatching(
      /^the address is not on the public internet and not in allowPrivate$/,
    ) as string,
  })
  expect(inside.received).toEqual([])
})

test.each([
  ['127.0.0.1', [{ address: '127.0.0.1', family: 4 }]],
  ['a public and a private address', publicAndPrivate()],
  ['a mapped address', [{ address: '::ffff:10.0.0.1', family: 6 }]],
])('a name that resolves to %s is refused', async (_case, addresses) => {
  const inside = await startReceiver((response) => response.end())
  const target = webhookWithLookup(inside.port, (_host, _options, callback) => {
    callback(null, addresses)
  })
  expect(await target.call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'the address is not on the public internet and not in allowPrivate',
  })
  expect(inside.received).toEqual([])
})

test('a name that answers otherwise the second time it is asked is refused the second time', async () => {
  const inside = await startReceiver((response) =>
    response.writeHead(503, { connection: 'close' }).end(),
  )
  const answers = [[{ address: '127.0.0.1', family: 4 }], [{ address: '127.0.0.2', family: 4 }]]
  const target = webhookWithLookup(
    inside.port,
    (_host, _options, callback) => callback(null, answers.shift() ?? []),
    // Stands for a public address: nothing outside this machine can be called here.
    '127.0.0.1',
  )
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'try-again' })
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'give-up' })
  expect(inside.received).toHaveLength(1)
})

test('a listed host may be inside the network', async () => {
  const inside = await startReceiver((response) => response.end())
  const target = webhookWithLookup(
    inside.port,
    (_host, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    'Partner.Example',
  )
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'delivered' })
})

test('a call whose deadline passed while connecting is not sent later', async () => {
  const partner = await startReceiver((response) => response.end())
  const deadline = new AbortController()
  let connect: (() => void) | undefined
  const target = webhookWithLookup(
    partner.port,
    (_host, _options, callback) => {
      const found = () => callback(null, [{ address: '127.0.0.1', family: 4 }])
      if (connect) return found()
      connect = found
      deadline.abort(new DOMException('late', 'TimeoutError'))
    },
    'partner.example',
  )
  expect(await target.call(exampleCall({ signal: deadline.signal }))).toEqual({
    kind: 'try-again',
    reason: 'not sent: out of time',
  })
  const connected = new Promise((resolve) => subscribe('undici:client:connected', resolve))
  connect?.()
  await connected
  expect(await target.call(exampleCall({ idempotencyKey: 'second' }))).toMatchObject({
    kind: 'delivered',
  })
  // The first one's connection is closed: whatever it had to send has arrived.
  await eventually(async () => (await partner.connections()) === 1)
  expect(partner.received.map(({ headers }) => headers['idempotency-key'])).toEqual(['second'])
})

function webhookWithLookup(port: number, lookup: LookupFunction, allowed: string | string[] = []) {
  const url = `http://partner.example:${port}`
  const options = { url, secret: oldSecret, allowPrivate: allowed }
  const target = createWebhook('partner-webhook', options, lookup)
  onTestFinished(() => target.close())
  return target
}

function publicAndPrivate() {
  return [
    { address: '93.184.216.34', family: 4 },
    { address: '169.254.169.254', family: 4 },
  ]
}

function verify(verifier: StandardWebhook | SvixWebhook, { body, headers }: Received): unknown {
  return verifier.verify(body, headers as Record<string, string>)
}
