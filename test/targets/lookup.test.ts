import { expect, test } from 'vitest'

import { custom } from '#targets/custom.ts'
import { http } from '#targets/http/http.ts'
import type { Lookup } from '#targets/http/lookup.ts'
import type { Call } from '#targets/target.ts'

import { createDeadline } from './support/create-deadline.ts'
import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { freePort, startReceiver } from './support/start-receiver.ts'

const kinds: [string, (lookup: Lookup) => ReturnType<typeof http>][] = [
  ['http', (lookup) => http({ url: 'https://erp.example.com', lookup })],
  ['custom', (lookup) => custom(async () => {}, { lookup })],
]

test('a target without a lookup has none', () => {
  for (const target of [http({ url: 'https://erp.example.com' }), custom(async () => {})]) {
    expect(createTarget('erp', target)).not.toHaveProperty('lookup')
  }
})

test.each(kinds)('the lookup of %s is given what the call is given', async (_kind, define) => {
  const { standing, ...call } = exampleCall({ attempt: 2 })
  let given: unknown
  await ask(
    define(async (told) => {
      given = told
      return true
    }),
    { ...call, standing },
  )
  expect(given).toMatchObject(call)
})

test.each<[unknown, unknown]>([
  [true, { kind: 'known' }],
  [false, { kind: 'unknown' }],
  [{ known: true }, { kind: 'known' }],
  [{ known: true, answer: null }, { kind: 'known' }],
  [
    { known: true, answer: { status: 200, text: `a\u0000${'x'.repeat(5_000)}`, headers: {} } },
    { kind: 'known', answer: { status: 200, text: `a\uFFFD${'x'.repeat(4_092)}` } },
  ],
  [undefined, noAnswer('targets.erp.lookup did not say')],
  ...['yes', 1, null, {}, [], { known: false }, { known: 'yes' }].map(
    (said): [unknown, unknown] => [
      said,
      noAnswer('targets.erp.lookup returned something else than true, false or { known: true }'),
    ],
  ),
])('a lookup that says %j: %j', async (said, lookedUp) => {
  for (const [, define] of kinds) {
    expect(await ask(define(async () => said as never))).toEqual(lookedUp)
  }
})

test.each([
  ['an error', new Error(`cannot read ${'x'.repeat(400)}`), /^lookup: cannot read x{280}$/],
  ['text', 'away', /^lookup: away$/],
  ['nothing', undefined, /^lookup: undefined$/],
  ['an error whose message is none', badError(), /^lookup: what was thrown cannot be read$/],
  ['what is no error', Object.create(null), /^lookup: what was thrown cannot be read$/],
])('a lookup that throws %s is no answer', async (_what, thrown: unknown, reason) => {
  const lookups: Lookup[] = [
    () => Promise.reject(thrown),
    () => {
      throw thrown
    },
  ]
  for (const lookup of lookups) {
    for (const [, define] of kinds) {
      expect(await ask(define(lookup))).toEqual({
        kind: 'no-answer',
        reason: expect.stringMatching(reason) as string,
      })
    }
  }
})

test.each(kinds)(
  'a lookup of %s that does not look at its signal is left at the deadline',
  async (_kind, define) => {
    const { signal, pass } = createDeadline()
    const target = define(() => {
      setImmediate(pass)
      return new Promise(() => {})
    })
    expect(await ask(target, exampleCall({ signal }))).toEqual(noAnswer('lookup: out of time'))
  },
)

test('a question that the ERP does not answer ends at the deadline', async () => {
  const { signal, pass } = createDeadline()
  const erp = await startReceiver(pass)
  const lookup: Lookup = async ({ http }) => (await http({ url: erp.url })).status === 200
  const target = custom(async () => {}, { lookup })
  expect(await ask(target, exampleCall({ signal }))).toEqual(
    noAnswer('lookup: sent, but not answered: out of time'),
  )
})

test('an ERP that cannot be asked is no answer, and the reason does not say where it is', async () => {
  const lookup: Lookup = async ({ http }) => (await http({ url: '/orders' })).status === 200
  const url = `http://127.0.0.1:${await freePort()}`
  expect(await ask(http({ url, lookup }))).toEqual(
    noAnswer('lookup: not sent: connect ECONNREFUSED'),
  )
})

test('the lookup of http asks at the url of the target, with its headers', async () => {
  const erp = await startReceiver((response) => response.end('[{"number":"WEB-10042"}]'))
  const target = http({
    url: `${erp.url.replace('//', '//shop:secret@')}/api?company=1`,
    headers: { 'X-Company': ({ order }) => order.externalId, accept: 'text/plain' },
    lookup: async ({ order, http }) => {
      const found = await http({
        url: `/orders?ref=${order.externalId}`,
        headers: { Accept: 'application/json' },
      })
      const orders = found.json() as unknown[]
      return orders.length > 0 && { known: true, answer: found }
    },
  })
  expect(await ask(target)).toEqual({
    kind: 'known',
    answer: { status: 200, text: '[{"number":"WEB-10042"}]' },
  })
  expect(erp.received).toMatchObject([
    {
      method: 'GET',
      path: '/api/orders?company=1&ref=WEB-10042',
      headers: {
        'x-company': 'WEB-10042',
        accept: 'application/json',
        authorization: `Basic ${btoa('shop:secret')}`,
      },
    },
  ])
})

test('a lookup that asks elsewhere takes no header of the target along', async () => {
  const elsewhere = await startReceiver((response) => response.end())
  const target = http({
    url: 'https://erp.example.com',
    headers: { authorization: 'Bearer secret' },
    lookup: async ({ http }) =>
      (await http({ url: elsewhere.url, body: { ref: 1 } })).status === 200,
  })
  expect(await ask(target)).toEqual({ kind: 'known' })
  expect(elsewhere.received).toMatchObject([{ method: 'POST', body: '{"ref":1}' }])
  expect(elsewhere.received[0]?.headers).not.toHaveProperty('authorization')
})

test('an order cannot lead a lookup to another place', async () => {
  const erp = await startReceiver((response) => response.end())
  const lookup: Lookup = async ({ http }) =>
    (await http({ url: '/orders/../admin' })).status === 200
  expect(await ask(http({ url: `${erp.url}/api`, lookup }))).toEqual(
    noAnswer('lookup: its url has a segment "." or "..", which leads to another place'),
  )
  expect(erp.received).toEqual([])
})

test.each<[string, (url: string, lookup: Lookup) => ReturnType<typeof http>]>([
  ['http', (url, lookup) => http({ url, lookup })],
  ['custom', (url, lookup) => custom(async ({ http }) => void (await http({ url })), { lookup })],
])(
  'an ERP that keeps the keys it has seen does not take the question of %s for the call',
  async (_kind, define) => {
    const erp = await startReceiver((response) => response.end())
    const lookup: Lookup = async ({ http }) => (await http({ url: erp.url })).status === 404
    const target = createTarget('erp', define(erp.url, lookup))
    const call = exampleCall()
    await target.lookup?.(call)
    await target.call(call)
    expect(erp.received.map(({ headers }) => headers['idempotency-key'])).toEqual([
      undefined,
      call.idempotencyKey,
    ])
  },
)

async function ask(target: ReturnType<typeof http>, call: Call = exampleCall()) {
  return await createTarget('erp', target).lookup?.(call)
}

function noAnswer(reason: string) {
  return { kind: 'no-answer', reason }
}

function badError(): Error {
  return Object.assign(new Error('x'), { message: { code: 7 } })
}
