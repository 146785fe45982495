import { afterEach, beforeEach, expect, test } from 'vitest'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
let shop: TestShop
let reader: string
let writer: string

beforeEach(async () => {
  api = await startTestApi()
  reader = await api.newKey({ scopes: ['ops:read'] })
  writer = await api.newKey({ name: 'console', scopes: ['ops:read', 'ops:write'] })
  shop = await openTestShop([testTarget('erp'), testTarget('mail')], undefined, api)
})
afterEach(() => shop.close())

const list = async () =>
  (await api.get('/ops/targets', { authorization: `Bearer ${reader}` })).body as {
    at: string
    targets: Record<string, unknown>[]
  }

const post = (path: string, body?: unknown, key = writer) =>
  send(`${api.url}/ops/targets/${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && {
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  })

test('targets are listed with what is open, their limits, circuit and pause', async () => {
  await shop.placeOrder()
  await shop.relay()
  await api.pool.query(`
    update orderwheel.targets set circuit = 'open', circuit_reason = 'answered 503', probe_at = now() + interval '1 minute' where name = 'mail'`)
  const { targets } = await list()
  expect(targets).toMatchObject([
    {
      target: 'erp',
      isCalled: true,
      queued: 1,
      openCounts: 'exact',
      deadLetters: 0,
      circuit: { state: 'closed' },
      paused: null,
      concurrency: 20,
      rate: null,
      configured: { concurrency: 20, rate: null },
      slotsInUse: 0,
    },
    { target: 'mail', isCalled: false, circuit: { state: 'open', reason: 'answered 503' } },
  ])
})

test('a target is paused and resumed under the name of the key, with the reason', async () => {
  const paused = await post('erp/pause', { reason: 'upgrade', forSeconds: 1_800 })
  expect(paused).toMatchObject({
    status: 200,
    body: {
      target: 'erp',
      paused: { by: 'console', reason: 'upgrade', until: expect.stringMatching(/Z$/) },
      before: null,
    },
  })
  expect((await list()).targets[0]).toMatchObject({ isCalled: false, paused: { by: 'console' } })
  // Pressed again.
  expect(await post('erp/pause', { reason: 'upgrade, longer' })).toMatchObject({
    status: 200,
    body: { paused: { reason: 'upgrade, longer', until: null }, before: { reason: 'upgrade' } },
  })
  expect(await post('erp/resume', { reason: 'done' })).toMatchObject({
    status: 200,
    body: { target: 'erp', before: { reason: 'upgrade, longer' } },
  })
  expect((await list()).targets[0]).toMatchObject({ isCalled: true, paused: null })
  expect((await post('erp/resume')).body).toMatchObject({ status: 409, code: 'target-not-paused' })
  const log = await api.db
    .selectFrom('orderwheel.audit_log')
    .select(['who', 'action', 'subject', 'reason'])
    .where('action', 'like', 'target.%')
    .orderBy('id')
    .execute()
  expect(log).toEqual([
    { who: 'console', action: 'target.paused', subject: 'erp', reason: 'upgrade' },
    { who: 'console', action: 'target.paused', subject: 'erp', reason: 'upgrade, longer' },
    { who: 'console', action: 'target.resumed', subject: 'erp', reason: 'done' },
  ])
})

test('two who press at the same time are both answered, and one of them resumes', async () => {
  const paused = await Promise.all(['a', 'b'].map((reason) => post('erp/pause', { reason })))
  expect(paused.map(({ status }) => status)).toEqual([200, 200])
  const resumed = await Promise.all([post('erp/resume'), post('erp/resume')])
  expect(new Set(resumed.map(({ status }) => status))).toEqual(new Set([200, 409]))
})

test('a pause that ended by itself is said to be over', async () => {
  await post('erp/pause', { reason: 'upgrade', forSeconds: 60 })
  await api.pool.query(`update orderwheel.targets set paused_until = now() where name = 'erp'`)
  expect((await post('erp/resume')).body).toMatchObject({
    code: 'target-not-paused',
    detail: expect.stringMatching(/^Its pause ended by itself at .*Z\.$/),
  })
})

test.each([
  [{}, '/reason'],
  [{ reason: ' ' }, '/reason'],
  [{ reason: 'x'.repeat(1_001) }, '/reason'],
  [{ reason: 7 }, '/reason'],
  [{ reason: 'x', until: '2020-01-01T00:00:00Z' }, '/until'],
  [{ reason: 'x', until: 'tomorrow' }, '/until'],
  [{ reason: 'x', until: '2030-01-01T00:00:00Z', forSeconds: 5 }, '/until'],
  [{ reason: 'x', forSeconds: 0 }, '/forSeconds'],
  [{ reason: 'x', forSeconds: 31_536_001 }, '/forSeconds'],
  [{ reason: 'x', who: 'somebody else' }, '/who'],
])('a pause that makes no sense is refused: %j', async (body, pointer) => {
  const answer = await post('erp/pause', body)
  expect(answer.body).toMatchObject({
    code: 'invalid-body',
    errors: expect.arrayContaining([expect.objectContaining({ pointer })]),
  })
  expect((await list()).targets[0]).toMatchObject({ paused: null })
})

test('a reason cannot write on the screen of whoever reads it', async () => {
  await post('erp/pause', { reason: '\u001b[2Jmoved\nhouse' })
  const [erp] = (await list()).targets
  expect(erp).toMatchObject({ paused: { reason: expect.stringMatching(/moved house$/) } })
  expect(erp).toMatchObject({ paused: { reason: expect.not.stringMatching(/\p{Cc}/u) } })
})

test('a body that is none, and a target that is none, are said to be', async () => {
  expect((await post('erp/pause', '{')).body).toMatchObject({ code: 'invalid-json' })
  expect((await post('erp/pause')).body).toMatchObject({ code: 'invalid-json' })
  expect((await post('erp/pause', `{"reason": "${'x'.repeat(300_000)}"}`)).status).toBe(413)
  for (const name of ['nobody', 'ERP', 'a%00b', '..%2f', 'x'.repeat(41)])
    for (const action of ['pause', 'resume'])
      expect((await post(`${name}/${action}`, { reason: 'x' })).body).toMatchObject({
        status: 404,
        code: 'target-not-found',
      })
})

test('who may only look pauses nothing, and a storefront sees nothing', async () => {
  expect((await post('erp/pause', { reason: 'x' }, reader)).status).toBe(403)
  expect((await post('erp/resume', {}, reader)).status).toBe(403)
  expect((await api.get('/ops/targets')).status).toBe(403)
})
