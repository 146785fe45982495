import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { openDatabase } from '#database/open-database.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { buildApp } from '#http/build-app.ts'
import type { OrderReport } from '#http/orders/order-answers.ts'
import { createKey } from '#keys/create-key.ts'
import { giveUp, tryAgain } from '#targets/outcome.ts'

import { newOrder, send, startTestApi, type TestApi } from '../http/test-api.ts'
import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { type Listener, listenToEvents } from '../support/listen-to-events.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { watchStatements } from '../support/watch-statements.ts'
import { writeConfig } from '../support/write-config.ts'

const silent = createLog('test', 'silent')

let api: TestApi
let shop: TestShop
let mailsTo: (orderId: string) => number

beforeEach(async () => {
  api = await startTestApi()
  const tried = new Map<string, number>()
  mailsTo = (orderId) => tried.get(orderId) ?? 0
  shop = await openTestShop(
    [
      testTarget('erp', {
        call: async ({ order }) => {
          tried.set(order.id, mailsTo(order.id) + 1)
          return mailsTo(order.id) === 1 ? tryAgain('the ERP is busy') : { kind: 'delivered' }
        },
      }),
      testTarget('mail', { after: ['erp'] }),
    ],
    undefined,
    api,
  )
})
afterEach(() => shop.close())

test('a listener is told each change of state from the beginning, and when there is nothing more to wait for', async () => {
  const orderId = await place()
  const live = await listen(orderId)
  expect(live.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  expect(live.headers.get('x-accel-buffering')).toBe('no')
  expect(live.headers.get('cache-control')).toBe('no-store, no-transform')
  await eventually(() => live.events.length === 1)
  await tellAll()
  await live.ended

  const story = [
    'order received',
    'delivery erp queued 0',
    'delivery mail waiting 0',
    'order processing',
    'delivery erp retrying 1',
    'delivery erp delivered 2',
    'delivery mail delivered 1',
    'order completed',
    'end',
  ]
  expect(tellingsOf(live).filter((telling) => !isInPassing(telling))).toEqual(story)
  const late = await listen(orderId)
  await late.ended
  expect(tellingsOf(late)).toEqual(story)
  // With the same times, too.
  const lasting = live.events.filter((_, index) => !isInPassing(tellingsOf(live)[index] ?? ''))
  expect(lasting.map(({ data }) => data)).toEqual(late.events.map(({ data }) => data))
  expect(late.events[4]?.data).toMatchObject({
    message: { kind: 'order.placed' },
    reason: 'the ERP is busy',
    at: expect.stringMatching(/^\d{4}-.*Z$/),
  })
  expect(late.comments).toEqual([expect.stringMatching(/^retry: [1-5]\d{3}$/)])
})

test('a call that lasts is shown to have begun when it did, whoever listens since when, and whatever else ended meanwhile', async () => {
  const erp = heldCalls()
  const slow = [testTarget('erp', { call: erp.call }), testTarget('stats')]
  const busy = await openTestShop(slow, undefined, { ...api, close: async () => {} })
  onTestFinished(() => busy.close())
  const orderId = await place()
  const live = await listen(orderId)
  await busy.relay()
  const worker = busy.startWorker()
  await eventually(() => tellingsOf(live).includes('delivery stats delivered 1'))
  await eventually(() => tellingsOf(live).includes('delivery erp active 0'))
  const later = await listen(orderId)
  await eventually(() => tellingsOf(later).includes('delivery erp active 0'))
  await later.leave()
  erp.end()
  await worker.drained(AbortSignal.timeout(30_000))
  await live.ended
  const { body } = await api.get(`/orders/${orderId}`)
  const { deliveries } = body as OrderReport
  const startedAt = deliveries.find(({ target }) => target === 'erp')?.attempts[0]?.startedAt
  for (const { events } of [live, later])
    expect(events.find(({ data }) => data['state'] === 'active')?.data['at']).toBe(startedAt)
})

test('what was missed is told exactly, from any event on, by any process', async () => {
  await using stack = new AsyncDisposableStack()
  const { url } = await startOtherApi(stack)
  const orderId = await place()
  await tellAll()
  const whole = await listen(orderId)
  await whole.ended
  const events = whole.events.slice(0, -1)
  expect(events.length).toBeGreaterThan(6)
  expect(Math.max(...events.map(({ id = '' }) => id.length))).toBeLessThan(30)
  for (const [index, { id = '' }] of events.entries()) {
    const rest = await listen(orderId, { from: id, url: index % 2 ? url : api.url })
    await rest.ended
    // Who was told everything should not come back.
    const wasAll = index === events.length - 1
    expect(rest.status).toBe(wasAll ? 204 : 200)
    expect(rest.events).toEqual(wasAll ? [] : whole.events.slice(index + 1))
  }
  const stranger = await listen(orderId, { from: 'not one of ours' })
  await stranger.ended
  expect(stranger.events).toEqual(whole.events)
})

test('a listener whose process is stopped goes on at another, and misses and repeats nothing', async () => {
  await using stack = new AsyncDisposableStack()
  const { url, process } = await startOtherApi(stack)
  const orderId = await place()
  const before = await listen(orderId, { url })
  await shop.relay()
  await eventually(() => tellingsOf(before).includes('order processing'))
  expect(await process.stop()).toBe(0)
  await before.ended
  await tellAll()

  const after = await listen(orderId, { from: before.events.at(-1)?.id ?? '' })
  await after.ended
  const both = [...tellingsOf(before), ...tellingsOf(after)].filter((one) => !isInPassing(one))
  const whole = await listen(orderId)
  await whole.ended
  expect(both).toEqual(tellingsOf(whole))
})

test('a listener notices nothing of a database that restarts, but that it is told later', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-events-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const dataDirectory = join(folder, 'postgres')
  let server = await startEmbeddedPostgres({ dataDirectory })
  stack.defer(() => server.stop())
  await migrateDatabase(server.connection, silent)
  const database = openDatabase({
    connection: server.connection,
    applicationName: 'test',
    maxConnections: 5,
    onConnectionLost: () => {},
  })
  stack.defer(() => database.close())
  const { key } = await createKey(database.db, {
    name: 'k',
    scopes: ['orders:write', 'orders:read'],
    who: 'test',
  })
  const app = await buildApp({
    ...database,
    log: silent,
    outboxChanged: () => {},
    production: true,
  })
  stack.defer(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const authorization = `Bearer ${key}`
  const placed = await send(`${url}/orders`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', 'idempotency-key': 'k' },
    body: JSON.stringify(newOrder()),
  })
  const { id } = placed.body as { id: string }
  const listener = await listenToEvents(`${url}/orders/${id}/events`, { authorization })
  await eventually(() => tellingsOf(listener).includes('order received'))

  await server.stop()
  const refused = await listenToEvents(`${url}/orders/${id}/events`, { authorization })
  expect(refused).toMatchObject({ status: 503, problem: { code: 'database-unavailable' } })
  server = await startEmbeddedPostgres({ dataDirectory, port: server.port })
  await eventually(() =>
    database.pool.query(
      `insert into orderwheel.outbox (order_id, kind) values ($1, 'order.cancelled')`,
      [id],
    ),
  )
  await eventually(() => tellingsOf(listener).includes('order cancelled'))
  await listener.leave()
})

test('a thousand listeners cost the database a few statements, whatever they listen to', async () => {
  const orderIds: string[] = []
  for (let n = 0; n < 100; n += 1) orderIds.push(await place())
  const saidDuring = watchStatements(api.pool)
  const listeners: Listener[] = []
  onTestFinished(async () => {
    await Promise.all(listeners.map((listener) => listener.leave()))
  })
  const connecting = await saidDuring(async () => {
    for (let n = 0; n < 10; n += 1)
      listeners.push(...(await Promise.all(orderIds.map((orderId) => listen(orderId)))))
    await eventually(() => listeners.every(({ events }) => events.length === 1))
  })
  expect(listeners).toHaveLength(1_000)
  expect(looksIn(connecting)).toBeLessThan(150)

  const changing = await saidDuring(async () => {
    await shop.relay()
    await eventually(() => listeners.every(({ events }) => events.length >= 4))
  })
  expect(looksIn(changing)).toBeLessThan(50)
  await Promise.all(listeners.map((listener) => listener.leave()))
  await eventually(async () => looksIn(await saidDuring(() => api.pool.query('select 1'))) === 0)
})

test('who does not read keeps nothing in memory, and is told all of it in the end', async () => {
  const orderId = await place()
  await shop.relay()
  await api.pool.query(
    `insert into orderwheel.delivery_attempts (message_id, target, number, started_at, duration_ms, outcome, reason, worker)
     select d.message_id, d.target, n, d.created_at + n * interval '1 ms', 0, 'try-again', repeat('x', 2000), 'w'
       from orderwheel.deliveries d, generate_series(1, 6000) n where d.target = 'erp'`,
  )
  await api.pool.query(
    `update orderwheel.deliveries set state = 'retrying', attempts = 6000 where target = 'erp'`,
  )
  const served: Socket[] = []
  api.app.server.on('connection', (socket: Socket) => served.push(socket))
  const reader = connect(api.port, '127.0.0.1')
  onTestFinished(() => void reader.destroy())
  reader.pause()
  reader.write(
    `GET /orders/${orderId}/events HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer ${api.key}\r\n\r\n`,
  )
  await eventually(() => served[0]?.writableNeedDrain)
  expect(served[0]?.writableLength).toBeLessThan(500_000)

  let received = ''
  reader.setEncoding('utf8').on('data', (text: string) => {
    received += text
  })
  reader.resume()
  await eventually(() => received.includes('"attempt":6000,'))
  const told = [...received.matchAll(/"attempt":(\d+),/g)].map(([, number]) => Number(number))
  const attempts = told.filter((number) => number > 0)
  expect(attempts).toEqual(Array.from({ length: 6000 }, (_, index) => index + 1))
})

test('listeners are limited, need a key and an order, and hear that a silent stream is alive', async () => {
  await shop.close()
  api = await startTestApi({
    limits: { maxListeners: 3, maxListenersPerOrder: 2, beatSeconds: 0.1, maxStreamSeconds: 2 },
  })
  shop = await openTestShop([testTarget('erp')], undefined, api)
  const [one, other] = [await place(), await place()]
  const listeners = [await listen(one), await listen(one)]
  const refused = { status: 503, problem: { code: 'too-many-listeners' } }
  const third = await listen(one)
  expect(third).toMatchObject(refused)
  expect(third.headers.get('retry-after')).toBe('10')
  listeners.push(await listen(other))
  expect(await listen(other)).toMatchObject(refused)
  await eventually(() => listeners.every(({ comments }) => comments.includes(':')))
  await Promise.all(listeners.map(({ ended }) => ended))
  const back = await eventually(async () => {
    const listener = await listen(one)
    return listener.status === 200 && listener
  })
  await back.leave()

  const unknown = '0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'
  expect(await listen(unknown)).toMatchObject({ status: 404, problem: { code: 'order-not-found' } })
  const url = `${api.url}/orders/${one}/events`
  expect(await listenToEvents(url)).toMatchObject({ status: 401 })
  const writer = await api.newKey({ scopes: ['orders:write'] })
  expect(await listenToEvents(url, { authorization: `Bearer ${writer}` })).toMatchObject({
    status: 403,
  })
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(405)
})

test('a dead letter is not the end: what a person decides is told, too', async () => {
  await shop.close()
  api = await startTestApi()
  const erp = testTarget('erp', { call: async () => giveUp('unknown article') })
  shop = await openTestShop([erp], undefined, api)
  const orderId = await place()
  const listener = await listen(orderId)
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))
  await eventually(() => tellingsOf(listener).at(-1) === 'order needs-attention')

  const { rows } = await api.pool.query<{ id: string }>('select id from orderwheel.messages')
  const messageId = rows[0]?.id ?? ''
  const decision = { decision: 'skip', who: 'ada', reason: 'sold elsewhere' } as const
  await decideDelivery(shop, { messageId, target: 'erp', ...decision })
  await listener.ended
  const story = tellingsOf(listener).filter((telling) => !isInPassing(telling))
  expect(story).toEqual([
    'order received',
    'delivery erp queued 0',
    'order processing',
    'delivery erp dead 1',
    'order needs-attention',
    'delivery erp skipped 1',
    'order completed',
    'end',
  ])
  const late = await listen(orderId)
  await late.ended
  expect(tellingsOf(late)).toEqual(story)
})

/** A process of its own on the same database. */
async function startOtherApi(stack: AsyncDisposableStack) {
  const config = await writeConfig({ erp: `http({ url: 'http://127.0.0.1:9' })` })
  stack.defer(() => config.remove())
  const process = startOrderwheel(['api'], {
    DATABASE_URL: connectionString(api.connection),
    ORDERWHEEL_CONFIG: config.path,
    PORT: '0',
  })
  stack.defer(async () => void (await process.stop()))
  const [, url = ''] = await process.said(/listening at (http:\/\/[\d.:]+)/i)
  return { process, url }
}

async function place(): Promise<string> {
  const { body } = await api.post(newOrder())
  return (body as { id: string }).id
}

type Listening = { from?: string; url?: string }

function listen(orderId: string, { from, url = api.url }: Listening = {}): Promise<Listener> {
  return listenToEvents(`${url}/orders/${orderId}/events`, {
    authorization: `Bearer ${api.key}`,
    ...(from !== undefined && { 'last-event-id': from }),
  })
}

async function tellAll(): Promise<void> {
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(async () => {
    await shop.letTimePass()
    const { rowCount } = await api.pool.query(
      'select from orderwheel.deliveries where settled_at is null',
    )
    return rowCount === 0
  })
  await worker.stop()
}

function tellingsOf({ events }: Listener): string[] {
  return events.map(({ event, data: { target, state, attempt } }) =>
    [event, target, state, attempt]
      .filter((part) => typeof part === 'string' || typeof part === 'number')
      .join(' '),
  )
}

/** States that last for a moment, which a look may or may not meet. */
function isInPassing(telling: string): boolean {
  return / (active \d|mail queued 0|erp queued 1)$/.test(telling)
}

function looksIn(statements: { text: string }[]): number {
  return statements.filter(({ text }) => text.includes('any(') && text.includes('orders o')).length
}
