import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { watchShop } from '#alerts/watch-shop.ts'
import { buildApp } from '#http/build-app.ts'
import { createIntakeGate } from '#http/orders/intake-gate.ts'
import { createKey } from '#keys/create-key.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { IntakeLimits } from '#messages/intake-limits.ts'
import { createOwnKind } from '#messages/own-kinds.ts'
import { reportRequested, reportRequestKind } from '#messages/report-request.ts'

import { findOnly } from '../support/diagnose.ts'
import { eventually } from '../support/eventually.ts'
import { memoryLog } from '../support/memory-log.ts'
import { placeMany } from '../support/place-many.ts'
import { testDatabase } from '../support/test-database.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'

let shop: TestShop
const closing: (() => Promise<unknown>)[] = []

const kinds = new Map([['stock.changed', createOwnKind({ type: 'object' })]])

beforeEach(async () => {
  shop = await openTestShop([testTarget('erp')])
  shop.relayOptions.kinds = new Map([...kinds, [reportRequested, reportRequestKind()]])
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await shop.close()
})

/** An api process that takes no further orders past this limit. */
async function startApi(intake: Partial<IntakeLimits>) {
  const { log, lines } = memoryLog()
  const limits = { maxWaiting: 1_000_000, maxAgeSeconds: null, ...intake }
  const app = await buildApp({
    ...shop,
    log,
    outboxChanged: () => {},
    production: false,
    kinds,
    intake: limits,
  })
  closing.push(() => app.close())
  const name = `shop ${randomUUID()}`
  const scopes = ['orders:write', 'orders:read', 'messages:write', 'reports'] as const
  const { key } = await createKey(shop.db, { name, scopes, who: 'test', ratePerSecond: 1_000_000 })

  async function send(url: string, payload: object, idempotencyKey: string) {
    const headers = { authorization: `Bearer ${key}`, 'idempotency-key': idempotencyKey }
    const { statusCode, ...answer } = await app.inject({ method: 'POST', url, headers, payload })
    return { status: statusCode, headers: answer.headers, body: answer.json() as { code?: string } }
  }

  return {
    close: () => app.close(),
    refusals: () => lines().match(/orders are refused: too much waits to be relayed/g)?.length ?? 0,
    said: (words: string) => lines().includes(words),
    order: (externalId = `WEB-${randomUUID().slice(0, 18)}`, idempotencyKey: string = externalId) =>
      send('/orders', exampleOrder(externalId), idempotencyKey),
    message: (idempotencyKey: string = randomUUID()) =>
      send('/messages', { kind: 'stock.changed', payload: {} }, idempotencyKey),
    report: (idempotencyKey: string = randomUUID()) => send('/reports', october, idempotencyKey),
    metrics: async () => (await app.inject('/metrics')).body,
  }
}

const october = {
  kind: 'orders',
  format: 'csv',
  from: '2026-10-01T00:00:00Z',
  to: '2026-11-01T00:00:00Z',
}

type Api = Awaited<ReturnType<typeof startApi>>

const untilRefused = ({ order }: Api) => eventually(async () => (await order()).status === 429)
const untilTaken = ({ order }: Api) => eventually(async () => (await order()).status === 202)

async function waiting(): Promise<number> {
  const { rows } = await sql<{ waiting: number }>`
    select count(*)::int as waiting from orderwheel.outbox`.execute(shop.db)
  return rows[0]?.waiting ?? 0
}

test('past the limit new orders are answered 429, known ones as ever, and all are taken again once the relay has worked it off', async () => {
  const api = await startApi({ maxWaiting: 50 })
  expect(await api.order('WEB-1')).toMatchObject({ status: 202 })
  const kept = await api.message('M-1')
  expect(kept.status).toBe(202)
  const report = await api.report('R-1')
  expect(report.status).toBe(202)
  await placeMany(shop.db, 60)
  await untilRefused(api)

  const refused = await api.order()
  expect(refused).toMatchObject({ status: 429, body: { code: 'intake-overloaded' } })
  const seconds = Number(refused.headers['retry-after'])
  expect(seconds).toBeGreaterThanOrEqual(1)
  expect(seconds).toBeLessThanOrEqual(120)
  const before = await waiting()
  await Promise.all(Array.from({ length: 50 }, () => api.order()))
  expect(await waiting()).toBe(before)

  const again = await api.order('WEB-1')
  expect(again.status).toBe(202)
  expect(again.headers['idempotent-replayed']).toBe('true')
  expect(await api.order('WEB-1', 'another')).toMatchObject({ body: { code: 'order-exists' } })
  expect(await api.message()).toMatchObject({ status: 429, body: { code: 'intake-overloaded' } })
  expect(await api.message('M-1')).toMatchObject({ status: 202, body: kept.body })
  expect(await api.report()).toMatchObject({ status: 429, body: { code: 'intake-overloaded' } })
  expect(await api.report('R-1')).toMatchObject({ status: 202, body: report.body })
  expect(api.refusals()).toBe(1)
  expect(await api.metrics()).toMatch(/^orderwheel_intake_closed 1$/m)
  expect(await api.metrics()).toMatch(/^orderwheel_intake_refused_total \d\d+$/m)

  // Whoever writes the outbox in a transaction of its own is not kept out.
  await placeMany(shop.db, 5)
  expect(await waiting()).toBe(before + 5)

  await shop.relay()
  await untilTaken(api)
  expect(await api.message()).toMatchObject({ status: 202 })
  expect(await api.report()).toMatchObject({ status: 202 })
  expect(api.said('orders are taken again')).toBe(true)
  await eventually(async () => /^orderwheel_intake_closed 0$/m.test(await api.metrics()))
  await shop.relay()
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('an api that is restarted while too much waits soon refuses as well', async () => {
  await placeMany(shop.db, 100)
  const api = await startApi({ maxWaiting: 50 })
  await untilRefused(api)
  await api.close()
  const again = await startApi({ maxWaiting: 50 })
  await untilRefused(again)
  expect(again.refusals()).toBe(1)
  await shop.relay()
  await untilTaken(again)
})

test('it is taken again at nine tenths of the limit, not at one below it', async () => {
  await placeMany(shop.db, 101)
  const api = await startApi({ maxWaiting: 100 })
  await untilRefused(api)
  await takeOut(5)
  expect(await readAgain(api)).toBe(429)
  await takeOut(20)
  await untilTaken(api)
})

/** As a relay would. */
async function takeOut(count: number) {
  await sql`delete from orderwheel.outbox where position in (
              select position from orderwheel.outbox order by position limit ${count})`.execute(
    shop.db,
  )
}

/** The answer once the backlog was read twice more; nothing new is taken meanwhile. */
async function readAgain(api: Api): Promise<number> {
  const at = performance.now()
  let last = 0
  await eventually(async () => {
    last = (await api.order()).status
    return performance.now() - at > 2_500
  })
  return last
}

test('orders are refused when the oldest message is too old, if the configuration says so; those that cannot be relayed do not count', async () => {
  await placeMany(shop.db, 3)
  await sql`update orderwheel.outbox set created_at = now() - interval '2 minutes',
                   try_after = now() + interval '1 hour', refusals = 1, refusal = 'unknown kind'`.execute(
    shop.db,
  )
  const api = await startApi({ maxAgeSeconds: 60 })
  expect(await readAgain(api)).toBe(202)
  await placeMany(shop.db, 1)
  await sql`update orderwheel.outbox set created_at = now() - interval '2 minutes'`.execute(shop.db)
  await untilRefused(api)
  const patient = await startApi({})
  expect(await readAgain(patient)).toBe(202)
})

test('a message that has been stuck for long does not make a few that wait look like many', async () => {
  await placeMany(shop.db, 1)
  await sql`select setval(pg_get_serial_sequence('orderwheel.outbox', 'position'), 1000000)`.execute(
    shop.db,
  )
  const api = await startApi({ maxWaiting: 5_000 })
  expect(await readAgain(api)).toBe(202)
})

test('orders are taken when nobody can say how many wait', async () => {
  const gone = await testDatabase()
  await gone.close()
  const { log, lines } = memoryLog()
  const gate = createIntakeGate({ db: gone.db, log, limits: { maxWaiting: 1, maxAgeSeconds: 1 } })
  expect(gate.isClosed()).toBe(false)
  await eventually(() => lines().includes('the backlog cannot be read, orders are taken'))
  expect(gate.isClosed()).toBe(false)
})

test('what was read long ago keeps nobody out', async () => {
  await placeMany(shop.db, 10)
  let now = 0
  const { log } = memoryLog()
  const limits = { maxWaiting: 5, maxAgeSeconds: null }
  const gate = createIntakeGate({ db: shop.db, log, limits, now: () => now })
  expect(gate.isClosed()).toBe(false)
  await eventually(() => gate.isClosed())
  now += 60_000
  expect(gate.isClosed()).toBe(false)
  await eventually(() => gate.isClosed())
})

test('when it is to be tried again follows from how fast it is worked off, and is not the same for all', async () => {
  await placeMany(shop.db, 2_000)
  let now = 0
  const { log } = memoryLog()
  const limits = { maxWaiting: 1_000, maxAgeSeconds: null }
  const gate = createIntakeGate({ db: shop.db, log, limits, now: () => now })
  const seconds = () =>
    Array.from({ length: 200 }, () => Number(gate.refuse().headers['retry-after']))
  gate.isClosed()
  await eventually(() => gate.isClosed())
  await takeOut(800)
  now += 10_000
  await eventually(() => gate.isClosed() && Math.max(...seconds()) <= 20)
  await takeOut(100)
  now += 10_000
  gate.isClosed()
  // 1 100 wait, 200 too many; 10 a second were taken out.
  await eventually(() => Math.min(...seconds()) >= 20)
  expect(new Set(seconds()).size).toBeGreaterThan(5)
  expect(Math.max(...seconds())).toBeLessThanOrEqual(41)
  now += 10_000
  gate.isClosed()
  await eventually(() => Math.min(...seconds()) >= 40)
})

test('an alert and the doctor say that orders are refused, until they are taken again', async () => {
  await placeMany(shop.db, 60)
  const intake = { maxWaiting: 50, maxAgeSeconds: null }
  const open = async () => {
    await watchShop(shop.db, intake)
    const rows = await shop.db
      .selectFrom('orderwheel.alerts')
      .select('kind')
      .where('resolved_at', 'is', null)
      .execute()
    return rows.map(({ kind }) => kind)
  }
  expect(await open()).toContain('intake')
  const { targets, routes } = shop.relayOptions
  expect(await findOnly(shop, 'intake-full', { intake, targets, routes })).toMatchObject([
    { what: '60 messages wait to be relayed: more than "intake" of the configuration lets them.' },
  ])
  await shop.relay()
  expect(await open()).not.toContain('intake')
})
