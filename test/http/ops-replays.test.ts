import { randomUUID } from 'node:crypto'

import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { readItems } from '#dead-letters/read-replays.ts'
import { createKey } from '#keys/create-key.ts'

import { eventually } from '../support/eventually.ts'
import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'
import { workOffDue } from '../support/work-off-replays.ts'
import { type Answer, send, someoneWaitsForALock, startTestApi, type TestApi } from './test-api.ts'

let shop: StuckShop
let api: TestApi
let key: string

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'stock'])
  api = await startTestApi({ db: shop.db, pool: shop.pool })
  // The test API's own keys are in its own database.
  key = await newKey('ada', ['ops:read', 'ops:write'])
})
afterAll(async () => {
  await api.close()
  await shop.close()
})
beforeEach(async () => {
  await shop.pool.query('delete from pgboss.job')
  await shop.pool.query('delete from orderwheel.orders')
  await shop.pool.query('truncate orderwheel.replays, orderwheel.audit_log cascade')
})

test('a replay is previewed, asked for, worked off by somebody else, and read with what became of each', async () => {
  await placeDead(3)
  await shop.pool.query(
    `update orderwheel.targets set paused_at = now(), paused_by = 'eva', pause_reason = 'upgrade' where name = 'erp'`,
  )
  const preview = await post('/ops/replays', { filter: { target: 'erp' }, dryRun: true })
  expect(preview).toMatchObject({
    status: 200,
    body: {
      total: 3,
      listed: 0,
      groups: [{ target: 'erp', error: 'HTTP #', deadLetters: 3 }],
      targets: [
        {
          target: 'erp',
          deadLetters: 3,
          isConfigured: true,
          paused: { by: 'eva' },
          circuit: 'closed',
        },
      ],
    },
  })
  await shop.pool.query(
    `update orderwheel.targets set paused_at = null, paused_by = null, pause_reason = null`,
  )

  const asked = await post('/ops/replays', {
    filter: { target: 'erp' },
    ratePerSecond: 10_000,
    reason: 'mended',
  })

  const { id } = asked.body as { id: string }
  expect(asked).toMatchObject({
    status: 202,
    body: { id, state: 'running', total: 3, requestedBy: 'ada', reason: 'mended', left: 3 },
  })
  expect(asked.headers.get('location')).toBe(`/ops/replays/${id}`)
  await workOffDue(shop)
  const page = await get(`/ops/replays/${id}?limit=2`)
  expect(page.body).toMatchObject({
    state: 'finished',
    done: 3,
    items: [{ state: 'done', deliveryState: 'queued' }, {}],
    nextCursor: '2',
  })
  expect((await get(`/ops/replays/${id}?limit=2&cursor=2`)).body).toMatchObject({
    items: [{ position: 3 }],
    nextCursor: null,
  })
  expect((await get('/ops/replays')).body).toMatchObject({ replays: [{ id }], nextCursor: null })
})

test('one letter is replayed once: the second press is a 409 that says who and when', async () => {
  const [letter = ''] = await placeDead(1)

  const first = await post(`/ops/dead-letters/${letter}/replay`)
  expect(first).toMatchObject({ status: 202, body: { total: 1, action: 'replay' } })
  const second = await post(`/ops/dead-letters/${letter}/replay`, { reason: 'again' })
  expect(second).toMatchObject({
    status: 409,
    body: { code: 'nothing-to-replay', by: 'ada', at: expect.stringMatching(/Z$/) },
  })
  await workOffDue(shop)

  const third = await post(`/ops/dead-letters/${letter}/replay`)
  expect(third.body).toMatchObject({
    code: 'nothing-to-replay',
    detail: expect.stringMatching(/^It was replayed by ada at /),
    by: 'ada',
  })
  expect((await post(`/ops/dead-letters/${randomUUID()}/replay`)).body).toMatchObject({
    code: 'dead-letter-not-found',
  })
  expect((await post('/ops/dead-letters/x/replay')).body).toMatchObject({
    code: 'dead-letter-not-found',
  })
})

test('the same request about a letter gets its answer again when the letter is gone', async () => {
  const [letter = ''] = await placeDead(1)
  const idempotencyKey = randomUUID()
  const ask = () => post(`/ops/dead-letters/${letter}/replay`, {}, idempotencyKey)
  const first = await ask()
  expect(first.status).toBe(202)
  await shop.pool.query('delete from orderwheel.orders')

  expect(await ask()).toMatchObject({ status: 202, body: first.body })
})

test('discarding needs a reason', async () => {
  const [letter = ''] = await placeDead(1)
  for (const body of [undefined, {}, { reason: ' ' }])
    expect(await post(`/ops/dead-letters/${letter}/discard`, body)).toMatchObject({
      status: 422,
      body: { code: 'invalid-body', errors: [{ pointer: '/reason', detail: 'is required' }] },
    })
  expect((await post('/ops/replays', { action: 'discard', all: true })).status).toBe(422)

  expect((await post(`/ops/dead-letters/${letter}/discard`, { reason: 'test order' })).status).toBe(
    202,
  )
  await workOffDue(shop)
  const { rows } = await shop.pool.query(
    `select resolution, resolved_by, comment from orderwheel.dead_letters`,
  )
  expect(rows).toEqual([{ resolution: 'discarded', resolved_by: 'ada', comment: 'test order' }])
})

test('nothing that narrows nothing is taken for everything', async () => {
  await placeDead(1)
  for (const body of [{}, { filter: {} }, { filter: { target: 'erp' }, all: true }])
    expect(await post('/ops/replays', body)).toMatchObject({
      status: 422,
      body: { code: 'invalid-body' },
    })
  expect((await post('/ops/replays', { all: true, dryRun: true })).body).toMatchObject({ total: 1 })
})

test.each([
  [{ filter: { target: 'erp', error: '\u0000' } }],
  [{ filter: { ids: ['x'] } }],
  [{ filter: { ids: [] } }],
  [{ filter: { since: 'yesterday' } }],
  [{ filter: { taget: 'erp' } }],
  [{ all: true, ratePerSecond: 0 }],
  [{ all: true, ratePerSecond: 10_001 }],
  [{ all: true, reason: 'x'.repeat(1_001) }],
  [{ all: true, action: 'delete' }],
])('a wrong request is a problem, and nothing happens: %j', async (body) => {
  const answer = await post('/ops/replays', body)
  expect(answer).toMatchObject({ status: 422, body: { code: 'invalid-body' } })
})

test.each([
  [{}],
  [{ dryRun: true }],
  [{ action: 'discard', reason: 'tests' }],
  [{ filter: { target: 'nope', shed: true } }],
])('a misspelt target never reads as if nothing were dead: %j', async (given) => {
  expect(await post('/ops/replays', { filter: { target: 'nope' }, ...given })).toMatchObject({
    status: 422,
    body: {
      code: 'invalid-body',
      errors: [
        {
          pointer: '/filter/target',
          detail: 'There is no target "nope"; there are erp, stock.',
        },
      ],
    },
  })
})

test('a filter that looks like SQL finds nothing', async () => {
  await placeDead(1)
  const filter = { error: `' or true; drop table orderwheel.orders; --` }
  expect((await post('/ops/replays', { filter })).body).toMatchObject({ code: 'nothing-to-replay' })
})

test('the same request with the same key has one answer, and is done once', async () => {
  await placeDead(2)
  const idempotencyKey = randomUUID()
  const ask = (body: object = { all: true, reason: 'mended' }) =>
    post('/ops/replays', body, idempotencyKey)
  // What fails stores nothing: the key is still good.
  expect((await ask({ all: true, ratePerSecond: 0 })).status).toBe(422)

  const first = await ask()
  const again = await ask({ reason: 'mended', all: true })

  expect(first.status).toBe(202)
  expect(again.status).toBe(202)
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('location')).toBe(first.headers.get('location'))
  expect(first.headers.get('idempotent-replayed')).toBeNull()
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await ask({ all: true })).toMatchObject({
    status: 422,
    body: { code: 'idempotency-key-reused' },
  })
  expect((await post('/ops/replays', { all: true }, 'with space')).body).toMatchObject({
    code: 'idempotency-key-invalid',
  })
  const { rowCount } = await shop.pool.query('select from orderwheel.replays')
  expect(rowCount).toBe(1)
})

test('the same key in another route, or from another API key, is another matter', async () => {
  const [one = ''] = await placeDead(2)
  const idempotencyKey = randomUUID()
  expect((await post(`/ops/dead-letters/${one}/replay`, {}, idempotencyKey)).status).toBe(202)
  expect(
    (await post(`/ops/dead-letters/${one}/discard`, { reason: 'x' }, idempotencyKey)).body,
  ).toMatchObject({ code: 'idempotency-key-reused' })
  const tom = await newKey('tom', ['ops:write'])
  const answer = await post('/ops/replays', { all: true }, idempotencyKey, tom)
  expect(answer).toMatchObject({ status: 202, body: { requestedBy: 'tom', total: 1 } })
})

test('a key is forgotten after seven days', async () => {
  await placeDead(2)
  const idempotencyKey = randomUUID()
  const first = await post('/ops/replays', { all: true }, idempotencyKey)
  await shop.pool.query(
    `update orderwheel.idempotency_keys set created_at = created_at - interval '8 days'`,
  )
  await workOffDue(shop)
  await placeDead(1)

  const later = await post('/ops/replays', { all: true }, idempotencyKey)

  expect(later).toMatchObject({ status: 202, body: { total: 1 } })
  expect(later.body).not.toMatchObject({ id: (first.body as { id: string }).id })
  expect(later.headers.get('idempotent-replayed')).toBeNull()
})

test('while the first request with a key still runs, the second is told to come again', async () => {
  await placeDead(2)
  const idempotencyKey = randomUUID()
  const ask = () => post('/ops/replays', { all: true }, idempotencyKey)
  const client = new pg.Client(shop.connection)
  await client.connect()
  try {
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(hashtext('orderwheel.replays'))`)
    const first = ask()
    await eventually(() => someoneWaitsForALock(shop))

    const second = await ask()
    expect(second).toMatchObject({ status: 409, body: { code: 'request-in-progress' } })
    expect(second.headers.get('retry-after')).toBe('1')

    await client.query('commit')
    expect((await first).status).toBe(202)
  } finally {
    await client.end()
  }
  expect((await ask()).headers.get('idempotent-replayed')).toBe('true')
  const { rowCount } = await shop.pool.query('select from orderwheel.replays')
  expect(rowCount).toBe(1)
})

test('a replay is paused, resumed, slowed down and cancelled, and what cannot be is a 409', async () => {
  await placeDead(2)
  const { id } = (await post('/ops/replays', { all: true })).body as { id: string }
  const change = (what: string, body?: object) => post(`/ops/replays/${id}/${what}`, body)

  expect((await change('pause', { reason: 'ERP groans' })).body).toMatchObject({
    state: 'paused',
    changedBy: 'ada',
  })
  expect(await change('pause')).toMatchObject({ status: 409, body: { code: 'replay-not-open' } })
  expect((await change('rate', { ratePerSecond: 5 })).body).toMatchObject({ ratePerSecond: 5 })
  expect((await change('resume')).body).toMatchObject({ state: 'running' })
  expect((await change('cancel')).body).toMatchObject({ state: 'cancelled', left: 2 })
  expect((await change('resume')).status).toBe(409)
  expect((await readItems(shop.db, id, { limit: 5 })).map(({ state }) => state)).toEqual([
    'cancelled',
    'cancelled',
  ])
  expect((await post(`/ops/replays/${randomUUID()}/pause`)).status).toBe(404)
})

test('reading needs ops:read, and changing ops:write', async () => {
  const reader = await newKey('reader', ['ops:read'])
  const writer = await newKey('writer', ['ops:write'])
  expect((await get('/ops/replays', reader)).status).toBe(200)
  expect((await get('/ops/replays', writer)).status).toBe(403)
  expect((await post('/ops/replays', { all: true }, undefined, reader)).status).toBe(403)
})

async function newKey(name: string, scopes: ('ops:read' | 'ops:write')[]): Promise<string> {
  return (await createKey(shop.db, { name, scopes, who: 'test' })).key
}

async function placeDead(count: number): Promise<string[]> {
  for (let n = 0; n < count; n += 1)
    await shop.placeOrder([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])
  const { rows } = await shop.pool.query<{ id: string }>(
    `select id from orderwheel.dead_letters where resolved_at is null order by died_at, id`,
  )
  return rows.map(({ id }) => id)
}

function get(path: string, as = key): Promise<Answer> {
  return send(`${api.url}${path}`, { headers: { authorization: `Bearer ${as}` } })
}

function post(path: string, body?: object, idempotencyKey?: string, as = key): Promise<Answer> {
  return send(`${api.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${as}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}
