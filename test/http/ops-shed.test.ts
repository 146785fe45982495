import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { createKey } from '#keys/create-key.ts'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'
import { workOffDue } from '../support/work-off-replays.ts'
import { type Answer, send, startTestApi, type TestApi } from './test-api.ts'

let shop: StuckShop
let api: TestApi
let key: string

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'analytics'])
  api = await startTestApi({ db: shop.db, pool: shop.pool })
  const scopes = ['ops:read', 'ops:write'] as const
  key = (await createKey(shop.db, { name: 'ada', scopes: [...scopes], who: 'test' })).key
  await shop.pool.query(
    `insert into orderwheel.shedding (target, max_open, first_at, shed) values ('analytics', 1, now() - interval '1 hour', 2)`,
  )
})
afterAll(async () => {
  await api.close()
  await shop.close()
})
beforeEach(async () => {
  await shop.pool.query('delete from orderwheel.orders')
  await shop.pool.query('truncate orderwheel.replays cascade')
})

function place(analytics: 'shed' | 'dead') {
  return shop.placeOrder([{ kind: 'order.placed', deliveries: { erp: 'delivered', analytics } }])
}

function ask(body: object): Promise<Answer> {
  return send(`${api.url}/ops/replays`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function states(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ state: string }>(
    `select state from orderwheel.deliveries where target = 'analytics' order by message_id`,
  )
  return rows.map(({ state }) => state)
}

test('what was shed is previewed and replayed over HTTP, once, and nothing else with it', async () => {
  const { orderId } = await place('shed')
  await place('shed')
  await place('dead')
  const filter = { shed: true, target: 'analytics' }
  expect(await ask({ filter, dryRun: true })).toMatchObject({
    status: 200,
    body: {
      total: 2,
      groups: [{ target: 'analytics', error: 'shed', deadLetters: 2 }],
      targets: [{ target: 'analytics', deadLetters: 2, isConfigured: true }],
    },
  })
  expect(await states()).toEqual(['shed', 'shed', 'dead'])

  const first = await ask({ filter: { shed: true, orderId }, reason: 'wanted after all' })
  expect(first).toMatchObject({ status: 202, body: { total: 1, requestedBy: 'ada' } })
  expect(await ask({ filter })).toMatchObject({ status: 202, body: { total: 1, left: 1 } })
  expect(await ask({ filter })).toMatchObject({
    status: 409,
    body: { code: 'nothing-to-replay' },
  })
  await workOffDue(shop)
  expect(await states()).toEqual(['queued', 'queued', 'dead'])
})

test.each([
  [{ filter: { shed: true, error: 'HTTP 500' } }, '/filter/error'],
  [{ filter: { shed: true, groupId: 'abc' } }, '/filter/groupId'],
  [{ filter: { shed: true }, action: 'discard', reason: 'late' }, '/filter/shed'],
  [{ filter: { shed: false } }, '/filter/shed'],
])('what makes no sense of what was shed is refused: %j', async (body, pointer) => {
  await place('shed')
  const { status, body: problem } = await ask(body)
  expect([status, problem]).toMatchObject([422, { code: 'invalid-body', errors: [{ pointer }] }])
  expect(await states()).toEqual(['shed'])
})
