import { sql } from 'kysely'
import { afterEach, expect, onTestFinished, test } from 'vitest'

import { watchShop } from '#alerts/watch-shop.ts'
import { changeReplay } from '#dead-letters/change-replay.ts'
import { takeReplay } from '#dead-letters/take-replay.ts'
import { workOff as workOffReplay } from '#dead-letters/work-off.ts'
import { endShedding } from '#limits/shedding.ts'
import { readLimits } from '#limits/read-limits.ts'
import { readOrder } from '#orders/read-order.ts'
import { drainOutbox, startRelay } from '#relay/run-relay.ts'
import { readChanges } from '#limits/read-changes.ts'
import { readTimeline } from '#status/read-timeline.ts'
import { delivered, tryAgain } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { placeMany } from '../support/place-many.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'
import { askForReplay, workOffDue } from '../support/work-off-replays.ts'
import { writeConfig } from '../support/write-config.ts'

let shop: TestShop
afterEach(() => shop.close())

let isDown = true

/** A shop whose analytics may miss what comes while so many deliveries are open, and is down. */
async function openShop(maxOpen: number, routes?: Record<string, string[]>) {
  isDown = true
  const told: string[] = []
  const analytics = testTarget('analytics', {
    priority: 'low',
    droppable: { maxOpen },
    circuit: null,
    async call({ message }) {
      if (isDown) return tryAgain('answered 503')
      told.push(message.id)
      return delivered()
    },
  })
  shop = await openTestShop([testTarget('erp'), analytics], routes)
  return told
}

async function states(target: string): Promise<Record<string, number>> {
  const { rows } = await sql<{ state: string; count: number }>`
    select case when settled_at is null then 'open' else state end as state, count(*)::int as count
      from orderwheel.deliveries where target = ${target} group by 1 order by 1`.execute(shop.db)
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

async function shedding() {
  const { targets } = await readLimits(shop.db)
  const found = targets.find(({ target }) => target === 'analytics')
  return found && { shed: found.shed, sheds: found.shedsSince !== null }
}

async function openAlerts(): Promise<string[]> {
  await watchShop(shop.db)
  const rows = await shop.db
    .selectFrom('orderwheel.alerts')
    .select(['kind', 'subject'])
    .where('resolved_at', 'is', null)
    .execute()
  return rows.map(({ kind, subject }) => `${kind} ${subject}`)
}

/** So many orders, relayed so many at a time. */
async function flood(count: number, relayedAtATime = count) {
  const orderIds: string[] = []
  for (let placed = 0; placed < count; placed += relayedAtATime) {
    orderIds.push(...(await placeMany(shop.db, Math.min(relayedAtATime, count - placed))))
    await shop.relay()
  }
  return orderIds
}

async function workOff() {
  await shop.letTimePass()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(30_000))
  await worker.stop()
}

test('in a flood while analytics is down, it misses what comes past its limit, the ERP misses nothing, and analytics is told later', async () => {
  const told = await openShop(20)
  const orderIds = await flood(60, 7)
  expect(await states('analytics')).toEqual({ open: 20, shed: 40 })
  expect(await shedding()).toEqual({ shed: 40, sheds: true })
  expect(await openAlerts()).toContain('shedding analytics')
  await workOff()
  expect(await states('erp')).toEqual({ delivered: 60 })
  expect(told).toEqual([])

  const last = orderIds.at(-1) ?? ''
  const report = await readOrder(shop.db, { id: last })
  expect(report).toMatchObject({ state: 'completed' })
  expect(report?.deliveries.find(({ target }) => target === 'analytics')).toMatchObject({
    state: 'shed',
    attemptCount: 0,
    lastError: 'Shed: so much was open for its target that it was not told of this.',
  })
  expect(await readTimeline(shop.db, last)).toContainEqual(
    expect.objectContaining({
      event: 'shed',
      target: 'analytics',
      detail: 'order.placed: so much was open for analytics that it was not told of this',
    }),
  )
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])

  isDown = false
  await workOff()
  expect(await states('analytics')).toEqual({ delivered: 20, shed: 40 })
  expect(await endShedding(shop.db, 'test')).toEqual([
    { target: 'analytics', change: 'shedding-ended' },
  ])
  expect(await openAlerts()).toContain('shedding analytics')
  await sql`update orderwheel.shedding set ended_at = now() - interval '11 minutes', began_at = now() - interval '12 minutes'`.execute(
    shop.db,
  )
  expect(await openAlerts()).not.toContain('shedding analytics')

  await askForReplay(shop, { filter: { shed: true, target: 'analytics' } })
  expect(await openAlerts()).toEqual([])
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
  expect(await readOrder(shop.db, { id: last })).toMatchObject({ state: 'completed' })
  expect(await workOffDue(shop)).toEqual({ done: 40, refused: 0 })
  await workOff()
  expect(await states('analytics')).toEqual({ delivered: 60 })
  expect(new Set(told).size).toBe(60)
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
  await expect(askForReplay(shop, { filter: { shed: true } })).rejects.toThrow('nothing')
})

test('analytics is told again only when half as much is open as made it shed, and says when that was', async () => {
  await openShop(20)
  await flood(25)
  expect(await states('analytics')).toEqual({ open: 20, shed: 5 })
  await settle(5)
  await flood(3)
  expect(await states('analytics')).toEqual({ open: 15, delivered: 5, shed: 8 })
  expect(await endShedding(shop.db, 'test')).toEqual([])
  await settle(5)
  await flood(3)
  expect(await states('analytics')).toEqual({ open: 13, delivered: 10, shed: 8 })
  expect(await shedding()).toEqual({ shed: 8, sheds: false })
  expect(
    (await readChanges(shop.db, 'analytics')).map(({ change, reason }) => [change, reason]),
  ).toEqual([
    ['shedding-began', '20 deliveries are open'],
    ['shedding-ended', 'no more than 10 deliveries are open'],
  ])
})

/** The oldest, as if a worker had told analytics of them. */
async function settle(count: number) {
  await sql`
    with told as (
      select message_id from orderwheel.deliveries
       where target = 'analytics' and settled_at is null order by created_at, message_id limit ${count}
    )
    update orderwheel.deliveries d set state = 'delivered', settled_at = now()
      from told where d.message_id = told.message_id and d.target = 'analytics'`.execute(shop.db)
}

test('a target that is not droppable any more sheds nothing', async () => {
  await openShop(5)
  await flood(10)
  expect(await shedding()).toEqual({ shed: 5, sheds: true })
  const targets = [testTarget('erp'), testTarget('analytics')]
  const options = { ...shop.relayOptions, targets }
  await sql`update orderwheel.shedding set max_open = null`.execute(shop.db)
  await placeMany(shop.db, 10)
  await drainOutbox(options, AbortSignal.timeout(30_000))
  expect(await states('analytics')).toEqual({ open: 15, shed: 5 })
  await endShedding(shop.db, 'test')
  expect(await shedding()).toEqual({ shed: 5, sheds: false })
})

test('what was shed is not told after what happened later to the order', async () => {
  const both = ['erp', 'analytics']
  const told = await openShop(1, { 'order.placed': both, 'order.cancelled': both })
  const [, late = ''] = await flood(2)
  await settle(1)
  await shop.addMessage(late, 'order.cancelled')
  await shop.relay()
  isDown = false
  await askForReplay(shop, { filter: { shed: true, orderId: late } })
  expect(await workOffDue(shop)).toEqual({ done: 0, refused: 1 })
  await workOff()
  expect(told).toHaveLength(1)
  const { rows } = await sql<{
    result: string
  }>`select result from orderwheel.replay_items`.execute(shop.db)
  expect(rows).toEqual([
    {
      result: overtaken,
    },
  ])
  // There is nothing left to decide.
  expect(await letters()).toEqual([
    { resolution: 'discarded', who: 'ada', comment: overtaken, hasReplay: true },
  ])
  expect((await states('analytics'))['shed']).toBe(1)
  expect(await readOrder(shop.db, { id: late })).toMatchObject({ state: 'cancelled' })
  expect(await foundLetters()).toEqual([])
  // Whoever asks for it again hears the same.
  await askForReplay(shop, { filter: { shed: true, orderId: late } })
  expect(await workOffDue(shop)).toEqual({ done: 0, refused: 1 })
})

const overtaken =
  'It comes too late: order.cancelled, which happened later to its order, is not waiting for it.'

/** What is wrong with letters: settle() leaves other things behind. */
async function foundLetters() {
  const found = listFound(await verifyShop(shop.db, { isFull: true }))
  return found.filter((one) => one.includes('letter'))
}

async function letters() {
  const { rows } = await sql`
    select resolution, resolved_by as who, comment, replay_id is not null as "hasReplay"
      from orderwheel.dead_letters`.execute(shop.db)
  return rows
}

test('the letter of what was shed can be discarded when it comes too late', async () => {
  const both = ['erp', 'analytics']
  await openShop(1, { 'order.placed': both, 'order.cancelled': both })
  const [, late = ''] = await flood(2)
  // Nobody works it off: its list is cancelled, or its worker down.
  const replayId = await askForReplay(shop, { filter: { shed: true, orderId: late } })
  const cancelled = { id: replayId, change: { kind: 'cancel' }, who: 'ada', reason: null } as const
  expect((await changeReplay(shop.db, cancelled)).kind).toBe('changed')
  await settle(1)
  await shop.addMessage(late, 'order.cancelled')
  await shop.relay()
  await askForReplay(shop, { filter: { orderId: late }, action: 'discard', reason: 'too late' })
  expect(await workOffDue(shop)).toEqual({ done: 1, refused: 0 })
  expect(await letters()).toEqual([
    { resolution: 'discarded', who: 'ada', comment: 'too late', hasReplay: true },
  ])
  expect(await states('analytics')).toEqual({ delivered: 1, open: 1, skipped: 1 })
  expect(await foundLetters()).toEqual([])
})

test('an order that was shed and cancelled is told in that order when both are replayed', async () => {
  const both = ['erp', 'analytics']
  const told = await openShop(1, { 'order.placed': both, 'order.cancelled': both })
  const [, late = ''] = await flood(2)
  const cancelled = await shop.addMessage(late, 'order.cancelled')
  await shop.relay()
  expect(await states('analytics')).toEqual({ open: 1, shed: 2 })
  isDown = false
  await askForReplay(shop, { filter: { shed: true } })
  expect(await workOffDue(shop)).toEqual({ done: 2, refused: 0 })
  await workOff()
  expect(told).toHaveLength(3)
  expect(told.at(-1)).toBe(cancelled)
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('a cancellation that is relayed while what was shed is being replayed is told after it', async () => {
  const both = ['erp', 'analytics']
  await openShop(1, { 'order.placed': both, 'order.cancelled': both })
  const [, late = ''] = await flood(2)
  await settle(1)
  await askForReplay(shop, { filter: { shed: true, orderId: late } })
  await shop.addMessage(late, 'order.cancelled')
  const { db, boss } = shop
  const relayed = await db.transaction().execute(async (tx) => {
    const taken = await takeReplay(tx, { only: undefined, most: 1 })
    if (!taken) throw new Error('No replay is due.')
    await workOffReplay(tx, boss, taken)
    const relaying = shop.relay()
    await eventually(async () => (await waitingForLocks()) > 0)
    return { relaying }
  })
  await relayed.relaying
  const report = await readOrder(db, { id: late })
  const ofAnalytics = report?.deliveries.filter(({ target }) => target === 'analytics') ?? []
  expect(ofAnalytics.map(({ message, state }) => `${message.kind} ${state}`)).toEqual([
    'order.placed queued',
    'order.cancelled waiting',
  ])
})

async function waitingForLocks(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(shop.db)
  return rows[0]?.n ?? 0
}

test('two relays that shed at once count everything once, and stay below twice the limit', async () => {
  await openShop(50)
  await placeMany(shop.db, 4_000)
  const relays = [startRelay(shop.relayOptions), startRelay(shop.relayOptions)]
  await eventually(async () => {
    const { rows } = await sql`select from orderwheel.outbox limit 1`.execute(shop.db)
    return rows.length === 0
  })
  await Promise.all(relays.map((relay) => relay.stop()))
  const { open = 0, shed = 0 } = await states('analytics')
  expect(open + shed).toBe(4_000)
  expect(open).toBeGreaterThanOrEqual(50)
  expect(open).toBeLessThanOrEqual(100)
  expect(await shedding()).toEqual({ shed, sheds: true })
  expect(await states('erp')).toEqual({ open: 4_000 })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
})

test('a relay killed in the middle of a flood sheds and counts nothing twice', async () => {
  await openShop(50)
  const { path, remove } = await writeConfig({
    erp: 'custom(async () => {})',
    analytics: 'custom(async () => {}, { droppable: { maxOpen: 50 } })',
  })
  onTestFinished(remove)
  const environment = {
    DATABASE_URL: connectionString(shop.connection),
    ORDERWHEEL_CONFIG: path,
  }
  await placeMany(shop.db, 20_000)
  const killed = startOrderwheel(['relay', '--drain'], environment)
  await eventually(async () => ((await states('analytics'))['shed'] ?? 0) > 0)
  await killed.stop('SIGKILL')
  const again = startOrderwheel(['relay', '--drain'], environment)
  expect(await again.ended).toBe(0)
  const { open = 0, shed = 0 } = await states('analytics')
  expect(open + shed).toBe(20_000)
  expect(open).toBe(50)
  expect(await shedding()).toEqual({ shed, sheds: true })
  expect(listFound(await verifyShop(shop.db, { isFull: true }))).toEqual([])
}, 60_000)

test('an operator sees how much was shed, and tells it later by a command', async () => {
  await openShop(2)
  const [, , third = ''] = await flood(5)
  const environment = { DATABASE_URL: connectionString(shop.connection) }
  const run = async (...args: string[]) => {
    const command = startOrderwheel(args, environment)
    return { code: await command.ended, output: command.output() }
  }
  expect((await run('targets')).output).toMatch(
    /^analytics: sheds since .*: 2 deliveries were open/m,
  )
  const replay = ['dead-letters', 'replay', '--shed', '--target', 'analytics']
  const looked = await run(...replay, '--dry-run')
  expect(looked).toMatchObject({
    code: 0,
    output: expect.stringContaining('3 dead letters to replay'),
  })
  expect(await run(...replay, '--group', 'x')).toMatchObject({ code: 2 })
  expect((await run('order', third)).output).toContain(
    'was shed: so much was open for analytics that it was not told of this. To tell it all the same: orderwheel dead-letters replay --shed --target analytics --order ',
  )
  const told = await run(...replay, '--rate', '1000', '--reason', 'analytics is well')
  expect(told).toMatchObject({ code: 0, output: expect.stringContaining('3 of 3 replayed') })
  expect(await states('analytics')).toEqual({ open: 5 })
})
