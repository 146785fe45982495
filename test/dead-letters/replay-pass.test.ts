import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'

import { changeReplay, type ReplayChange } from '#dead-letters/change-replay.ts'
import { readLetter } from '#dead-letters/read-letter.ts'
import { readItems, readReplay } from '#dead-letters/read-replays.ts'
import { replayPass } from '#dead-letters/replay-pass.ts'
import { requestReplay } from '#dead-letters/request-replay.ts'
import { writeEdited } from '#dead-letters/write-edited.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { takeJobs } from '#queues/jobs.ts'
import { readTimeline } from '#status/read-timeline.ts'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'
import { askForReplay, workOffDue } from '../support/work-off-replays.ts'

let shop: StuckShop

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'stock', 'email'])
})
afterAll(() => shop.close())
beforeEach(async () => {
  await shop.pool.query('delete from pgboss.job')
  await shop.pool.query('delete from orderwheel.orders')
  await shop.pool.query('truncate orderwheel.replays, orderwheel.audit_log cascade')
})

const dead = { kind: 'order.placed', deliveries: { erp: 'dead' } } as const

test('a list of dead letters is worked off oldest first, and each has its job of the same id again', async () => {
  const orders = await placeDead(5)
  await shop.pool.query(
    `update orderwheel.dead_letters set died_at = now() - interval '1 hour' where order_id = $1`,
    [orders[3]?.orderId],
  )
  await shop.pool.query(`update orderwheel.deliveries set lost_in_a_row = 2`)
  const id = await askForReplay(shop, { reason: 'mended' })

  expect(await workOffDue(shop)).toEqual({ done: 5, refused: 0 })

  const items = await readItems(shop.db, id, { limit: 10 })
  expect(items[0]).toMatchObject({
    orderId: orders[3]?.orderId,
    state: 'done',
    deliveryState: 'queued',
  })
  expect(await readReplay(shop.db, id)).toMatchObject({ state: 'finished', done: 5, left: 0 })
  const { rows } = await shop.pool.query(
    `select distinct state, attempts, uncharged, lost_in_a_row, settled_at from orderwheel.deliveries`,
  )
  expect(rows).toEqual([
    { state: 'queued', attempts: 3, uncharged: 3, lost_in_a_row: 2, settled_at: null },
  ])
  const { rows: letters } = await shop.pool.query(
    `select distinct resolution, resolved_by, comment, replay_id from orderwheel.dead_letters`,
  )
  expect(letters).toEqual([
    { resolution: 'replayed', resolved_by: 'ada', comment: 'mended', replay_id: id },
  ])
  const timeline = await readTimeline(shop.db, orders[0]?.orderId ?? '')
  expect(timeline.map(({ event }) => event)).toContain(
    `dead letter replayed by ada in replay ${id}`,
  )
  const { rows: story } = await shop.pool.query(
    `select event, detail, who, replay_id from orderwheel.order_timeline where order_id = $1 and step = 5`,
    [orders[0]?.orderId],
  )
  expect(story).toEqual([
    { event: 'dead letter replayed', detail: 'mended', who: 'ada', replay_id: id },
  ])
  expect(await deadCopies()).toBe(0)
  const jobs = await fetchJobs('erp')
  expect(jobs.map((job) => job.id).sort()).toEqual(
    orders.flatMap(({ messageIds }) => messageIds).sort(),
  )
  // The next attempt is the one after the last, and no lost one lies between them.
  expect(new Set(jobs.map(({ retryCount }) => retryCount))).toEqual(new Set([3]))
})

test('what dies after somebody asked is not in the list', async () => {
  await placeDead(2)
  const id = await askForReplay(shop)
  await placeDead(1)

  expect(await workOffDue(shop)).toEqual({ done: 2, refused: 0 })
  expect(await readReplay(shop.db, id)).toMatchObject({ total: 2 })
})

test('discarding gives up for good and lets go what waited', async () => {
  const placed = {
    kind: 'order.placed',
    deliveries: { erp: 'dead', email: 'waiting' },
    after: { email: ['erp'] },
  } as const
  const cancelled = { kind: 'order.cancelled', deliveries: { erp: 'waiting' } } as const
  const { orderId } = await shop.placeOrder([placed, cancelled])
  await askForReplay(shop, { action: 'discard', reason: 'test orders' })

  expect(await workOffDue(shop)).toEqual({ done: 1, refused: 0 })

  expect(await states(orderId)).toEqual({
    'order.placed erp': 'skipped',
    'order.placed email': 'queued',
    'order.cancelled erp': 'queued',
  })
  const { rows } = await shop.pool.query(
    `select resolution, resolved_by, comment from orderwheel.dead_letters`,
  )
  expect(rows).toEqual([{ resolution: 'discarded', resolved_by: 'ada', comment: 'test orders' }])
  expect(await deadCopies()).toBe(0)
})

test('of several dead letters of an order for one target the oldest message goes first, the others wait for it', async () => {
  const { orderId, messageIds } = await shop.placeOrder([
    dead,
    { kind: 'order.cancelled', deliveries: { erp: 'dead' } },
    { kind: 'order.cancelled', deliveries: { erp: 'waiting' } },
  ])
  const id = await askForReplay(shop)
  await workOffDue(shop)

  expect(await statesInOrder(orderId)).toEqual(['queued', 'waiting', 'waiting'])
  expect((await fetchJobs('erp')).map((job) => job.id)).toEqual(messageIds.slice(0, 1))
  const results = (await readItems(shop.db, id, { limit: 10 })).map(({ result }) => result)
  expect(results).toContain('It waits for what its order has to be told first.')
  const { rows } = await shop.pool.query(
    `select awaited from orderwheel.deliveries where order_id = $1 order by position`,
    [orderId],
  )
  expect(rows).toEqual([{ awaited: true }, { awaited: false }, { awaited: false }])
})

test('a later message is not told before an earlier one that is still dead', async () => {
  const { orderId, messageIds } = await shop.placeOrder([
    dead,
    { kind: 'order.cancelled', deliveries: { erp: 'dead' } },
  ])
  const { rows } = await shop.pool.query<{ id: string }>(
    `select id from orderwheel.dead_letters where message_id = $1`,
    [messageIds[1]],
  )
  await askForReplay(shop, { filter: { ids: [rows[0]?.id ?? ''] } })
  await workOffDue(shop)
  expect(await statesInOrder(orderId)).toEqual(['dead', 'waiting'])

  const skip = { messageId: messageIds[0] ?? '', target: 'erp', decision: 'skip' } as const
  await decideDelivery(shop, { ...skip, who: 'eva', reason: 'told by telephone' })

  expect(await statesInOrder(orderId)).toEqual(['skipped', 'queued'])
  const [job] = await fetchJobs('erp')
  // Behind the fetches of its first life: whoever still holds the old job cannot settle this one.
  expect(job).toEqual({ id: messageIds[1], retryCount: 3 })
})

test('what somebody else decided meanwhile is refused with a sentence, and the rest goes on', async () => {
  const [replayed, discarded] = await placeDead(3)
  const id = await askForReplay(shop)
  await decide(replayed, 'try-again')
  await decide(discarded, 'skip')

  expect(await workOffDue(shop)).toEqual({ done: 1, refused: 2 })

  const refused = await readItems(shop.db, id, { limit: 10, state: 'refused' })
  const sentence = (how: string) =>
    expect.stringMatching(new RegExp(`^It was ${how} by eva at .*Z: seen to.$`))
  expect(refused.map(({ result }) => String(result)).sort((a, b) => a.localeCompare(b))).toEqual([
    sentence('discarded'),
    sentence('replayed'),
  ])
  expect(await readReplay(shop.db, id)).toMatchObject({ state: 'finished', done: 1, refused: 2 })
})

test('a letter whose order was deleted, or whose target never had a queue, is refused with a sentence', async () => {
  const [gone, strange] = await placeDead(2)
  const id = await askForReplay(shop)
  await shop.pool.query(`delete from orderwheel.orders where id = $1`, [gone?.orderId])
  await shop.pool.query(
    `with d as (insert into orderwheel.deliveries (message_id, target, position, order_id, state, settled_at)
                select message_id, 'fax', position, order_id, state, settled_at from orderwheel.deliveries
                 where order_id = $1)
     update orderwheel.dead_letters set target = 'fax' where order_id = $1`,
    [strange?.orderId],
  )

  expect(await workOffDue(shop)).toEqual({ done: 0, refused: 2 })
  const refused = await readItems(shop.db, id, { limit: 10 })
  expect(refused.map(({ result }) => String(result)).sort((a, b) => a.localeCompare(b))).toEqual([
    'It is gone: its order was deleted, or its time was over.',
    'The target fax has no queue: no relay or worker with it in its configuration has started.',
  ])
})

test('one that cannot be worked off for a reason of its own is refused, and the others are replayed', async () => {
  const orders = await placeDead(3)
  const id = await askForReplay(shop)
  // A job that nobody knows of has the order's key in the queue, which takes one of each.
  const { orderId = '', messageIds = [] } = orders[1] ?? {}
  await shop.boss.insert('erp', [{ data: { orderId }, singletonKey: `order.placed:${orderId}` }])

  expect(await workOffDue(shop)).toEqual({ done: 2, refused: 1 })
  const [refused] = await readItems(shop.db, id, { limit: 10, state: 'refused' })
  expect(refused).toMatchObject({ messageId: messageIds[0], deliveryState: 'dead' })
  expect(refused?.result).toMatch(/^It could not be worked off: Queue erp took 0 of 1/)
})

test('a long reason with characters of two halves does not stop the list that quotes it', async () => {
  const orders = await placeDead(2)
  await askForReplay(shop)
  for (const [at, order] of orders.entries()) {
    const reason = 'x'.repeat(at) + '😀'.repeat(1_000)
    const messageId = order.messageIds[0] ?? ''
    const request = { messageId, target: 'erp', decision: 'skip', who: 'eva', reason } as const
    await decideDelivery(shop, request)
  }

  expect(await workOffDue(shop)).toEqual({ done: 0, refused: 2 })
})

test('a list that cannot be worked off is put off, and the others go first', async () => {
  const [first, second] = await placeDead(2)
  const idOf = (order: Order | undefined) =>
    askForReplay(shop, { filter: { orderId: order?.orderId ?? '' } })
  const broken = await idOf(first)
  const other = await idOf(second)
  await shop.pool.query(
    `alter table orderwheel.replay_items add constraint broken check (replay_id <> '${broken}' or state = 'waiting')`,
  )
  onTestFinished(async () => {
    await shop.pool.query(`alter table orderwheel.replay_items drop constraint broken`)
  })

  await expect(replayPass(shop)).rejects.toThrow('broken')
  expect(await replayPass(shop)).toMatchObject({ replayId: other, done: 1 })
  expect(await readReplay(shop.db, broken)).toMatchObject({ state: 'running', left: 1 })
})

test('a delivery that somebody has locked puts its list off, and the others go first', async () => {
  const [first, second] = await placeDead(2)
  await askForReplay(shop, { filter: { orderId: first?.orderId ?? '' } })
  const other = await askForReplay(shop, { filter: { orderId: second?.orderId ?? '' } })
  const client = await shop.pool.connect()
  await client.query('begin')
  await client.query('select from orderwheel.deliveries where order_id = $1 for update', [
    first?.orderId,
  ])

  await expect(replayPass(shop)).rejects.toThrow('lock timeout')
  expect(await replayPass(shop)).toMatchObject({ replayId: other, done: 1 })
  await client.query('rollback')
  client.release()
  await letReplaysBeDue('1 minute')
  expect(await workOffDue(shop)).toEqual({ done: 1, refused: 0 })
})

test('a list is worked off at its rate, and an hour that nobody worked on it is not made up for', async () => {
  await placeDead(30)
  const id = await askForReplay(shop, { ratePerSecond: 0.02 })
  expect(await replayPass(shop)).toMatchObject({ done: 1 })
  expect(await replayPass(shop)).toBeNull()
  await letReplaysBeDue('50 seconds')
  expect(await replayPass(shop)).toMatchObject({ done: 1 })
  expect(await replayPass(shop)).toBeNull()

  await shop.pool.query('update orderwheel.replays set rate_per_second = 10')
  await letReplaysBeDue('1 hour')
  expect(await replayPass(shop)).toMatchObject({ done: 10 })
  const { rows } = await shop.pool.query(
    `select next_at > (select max(worked_off_at) from orderwheel.replay_items) as later from orderwheel.replays`,
  )
  expect(rows).toEqual([{ later: true }])
  expect(await readReplay(shop.db, id)).toMatchObject({ state: 'running', left: 18 })
})

test('ten processes at once share one list: none is worked off twice, and the rate is not exceeded', async () => {
  await placeDead(40)
  const id = await askForReplay(shop, { ratePerSecond: 10 })
  await letReplaysBeDue('1 hour')
  const begun = performance.now()

  const passes = await Promise.all(Array.from({ length: 10 }, () => replayPass(shop)))

  const seconds = (performance.now() - begun) / 1_000
  const done = passes.reduce((sum, pass) => sum + (pass?.done ?? 0), 0)
  expect(await readReplay(shop.db, id)).toMatchObject({ done, refused: 0 })
  expect(done).toBeGreaterThanOrEqual(10)
  expect(done).toBeLessThanOrEqual(10 + 10 * seconds)
})

test('a replay can be paused, resumed, given another rate and cancelled; each is in the audit log', async () => {
  await placeDead(3)
  const id = await askForReplay(shop)
  const change = (change: ReplayChange) =>
    changeReplay(shop.db, { id, change, who: 'eva', reason: 'ERP groans' })

  expect(await change({ kind: 'pause' })).toMatchObject({
    kind: 'changed',
    after: { state: 'paused' },
  })
  expect(await change({ kind: 'pause' })).toMatchObject({
    kind: 'refused',
    state: 'paused',
    by: 'eva',
  })
  expect(await replayPass(shop)).toBeNull()
  expect(await change({ kind: 'rate', ratePerSecond: 0.01 })).toMatchObject({ kind: 'changed' })
  expect(await change({ kind: 'resume' })).toMatchObject({ kind: 'changed' })
  expect(await workOffDue(shop)).toEqual({ done: 1, refused: 0 })
  expect(await change({ kind: 'cancel' })).toMatchObject({ kind: 'changed' })
  expect(await change({ kind: 'resume' })).toMatchObject({ kind: 'refused', state: 'cancelled' })

  const items = await readItems(shop.db, id, { limit: 10 })
  expect(items.map(({ state }) => state)).toEqual(['done', 'cancelled', 'cancelled'])
  const { rows } = await shop.pool.query(
    `select action, who, reason from orderwheel.audit_log where subject = $1 order by at`,
    [id],
  )
  expect(rows.map(({ action }) => action)).toEqual([
    'replay.requested',
    'replay.paused',
    'replay.rate-set',
    'replay.resumed',
    'replay.cancelled',
  ])
  expect(rows[1]).toMatchObject({ who: 'eva', reason: 'ERP groans' })
  // What was not replayed is still there to be replayed.
  await askForReplay(shop)
  expect(await workOffDue(shop)).toEqual({ done: 2, refused: 0 })
})

test('a list that was cancelled is, also when what was left of it could not be marked', async () => {
  await placeDead(2)
  const id = await askForReplay(shop)
  await shop.pool.query(
    `alter table orderwheel.replay_items add constraint full_disk check (state <> 'cancelled') not valid`,
  )
  onTestFinished(async () => {
    await shop.pool.query(`alter table orderwheel.replay_items drop constraint full_disk`)
  })
  const cancel = { id, change: { kind: 'cancel' }, who: 'eva', reason: null } as const

  expect(await changeReplay(shop.db, cancel)).toMatchObject({ kind: 'changed' })
  expect(await readItems(shop.db, id, { limit: 10, state: 'waiting' })).toEqual([])
  const left = await readItems(shop.db, id, { limit: 10, state: 'cancelled' })
  expect(left.map(({ position, state }) => [position, state])).toEqual([
    [1, 'cancelled'],
    [2, 'cancelled'],
  ])
})

test.each([1, 2])(
  'a list of %s does not send what was edited for an earlier death, and sent',
  async (count) => {
    await placeDead(count)
    await shop.pool.query(
      `update orderwheel.deliveries set edited = '{"sku": "IPOD-BLUE"}', edited_for = uuidv7()`,
    )
    await askForReplay(shop)

    expect(await workOffDue(shop)).toEqual({ done: count, refused: 0 })
    expect(await countEdited()).toBe(0)
  },
)

test.each([1, 2])(
  'what was edited for a paused or cancelled list goes out with a list of %s that is replayed instead',
  async (count) => {
    await placeDead(count)
    const [first, second] = await letterIds()
    const paused = await editLetter(first)
    await changeReplay(shop.db, { id: paused, change: { kind: 'pause' }, who: 'eva', reason: null })
    if (count > 1) {
      const cancelled = await editLetter(second)
      const cancel = {
        id: cancelled,
        change: { kind: 'cancel' },
        who: 'eva',
        reason: null,
      } as const
      await changeReplay(shop.db, cancel)
    }
    await askForReplay(shop, { filter: { ids: await letterIds() } })

    expect(await workOffDue(shop)).toEqual({ done: count, refused: 0 })
    expect(await countEdited()).toBe(count)
    await changeReplay(shop.db, {
      id: paused,
      change: { kind: 'resume' },
      who: 'eva',
      reason: null,
    })
    expect(await workOffDue(shop)).toEqual({ done: 0, refused: 1 })
    expect(await countEdited()).toBe(count)
  },
)

test('a second correction takes the place of the first', async () => {
  await placeDead(1)
  const [letterId] = await letterIds()
  const paused = await editLetter(letterId)
  await changeReplay(shop.db, { id: paused, change: { kind: 'pause' }, who: 'eva', reason: null })
  await editLetter(letterId, 'IPOD-RED')

  expect(await workOffDue(shop)).toEqual({ done: 1, refused: 0 })
  const { rows } = await shop.pool.query('select edited from orderwheel.deliveries')
  expect(rows).toEqual([{ edited: { sku: 'IPOD-RED' } }])
})

test('a second press of the same button finds nothing and says who was first', async () => {
  await placeDead(2)
  const id = await askForReplay(shop)
  const ask = (ids?: string[]) =>
    shop.db.transaction().execute((tx) =>
      requestReplay(tx, {
        filter: ids ? { ids } : {},
        action: 'replay',
        who: 'tom',
        reason: null,
        ratePerSecond: 20,
      }),
    )
  const why = new RegExp(`^ada asked for that at .*Z: see replay ${id}.$`)

  expect(await ask()).toMatchObject({ kind: 'nothing', why: expect.stringMatching(why) })
  await workOffDue(shop)
  expect(await ask()).toMatchObject({ kind: 'nothing', why: null })
  const [item] = await readItems(shop.db, id, { limit: 1 })
  expect(await ask([item?.letterId ?? ''])).toMatchObject({
    kind: 'nothing',
    why: expect.stringMatching(`^It was replayed by ada at .*Z \\(replay ${id}\\).$`),
  })
})

test('of two who ask at once, one has the list', async () => {
  await placeDead(20)
  const asked = await Promise.allSettled([askForReplay(shop), askForReplay(shop)])

  expect(asked.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
})

test('workers of the targets that got jobs are woken', async () => {
  await placeDead(1)
  const client = new pg.Client(shop.connection)
  await client.connect()
  const heard: (string | undefined)[] = []
  client.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload}`))
  await client.query('listen orderwheel_jobs')
  await client.query('listen orderwheel_replays')
  const id = await askForReplay(shop)
  await workOffDue(shop)
  await client.query('select')
  await client.end()

  expect(heard).toEqual([`orderwheel_replays ${id}`, 'orderwheel_jobs erp'])
})

async function letReplaysBeDue(since: string) {
  await shop.pool.query(`update orderwheel.replays set next_at = next_at - $1::interval`, [since])
}

function placeDead(count: number) {
  return Promise.all(Array.from({ length: count }, () => shop.placeOrder([dead])))
}

type Order = Awaited<ReturnType<StuckShop['placeOrder']>>

function decide(order: Order | undefined, decision: 'try-again' | 'skip') {
  const messageId = order?.messageIds[0] ?? ''
  return decideDelivery(shop, { messageId, target: 'erp', decision, who: 'eva', reason: 'seen to' })
}

function fetchJobs(queue: string) {
  return shop.db.transaction().execute((tx) => takeJobs(tx, shop.boss, { queue, count: 100 }))
}

async function deadCopies(): Promise<number> {
  const { rowCount } = await shop.pool.query(`select from pgboss.job where name like '%.dead'`)
  return rowCount ?? 0
}

async function states(orderId: string): Promise<Record<string, string>> {
  const { rows } = await shop.pool.query<{ what: string; state: string }>(
    `select m.kind || ' ' || d.target as what, d.state from orderwheel.deliveries d
       join orderwheel.messages m on m.id = d.message_id where d.order_id = $1`,
    [orderId],
  )
  return Object.fromEntries(rows.map(({ what, state }) => [what, state]))
}

async function statesInOrder(orderId: string): Promise<string[]> {
  const { rows } = await shop.pool.query<{ state: string }>(
    `select state from orderwheel.deliveries where order_id = $1 order by position`,
    [orderId],
  )
  return rows.map(({ state }) => state)
}

async function countEdited(): Promise<number> {
  const { rows } = await shop.pool.query<{ count: number }>(
    `select count(*)::int as count from orderwheel.deliveries where edited is not null`,
  )
  return rows[0]?.count ?? 0
}

async function letterIds(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ id: string }>(
    'select id from orderwheel.dead_letters order by id',
  )
  return rows.map(({ id }) => id)
}

/** Asks for a replay of one letter with another request, as `--edit` does; answers the list's id. */
async function editLetter(letterId = '', sku = 'IPOD-BLUE'): Promise<string> {
  return shop.db.transaction().execute(async (tx) => {
    const request = { action: 'replay', who: 'ada', reason: null, ratePerSecond: 10_000 } as const
    const requested = await requestReplay(tx, { filter: { ids: [letterId] }, ...request })
    if (requested.kind !== 'requested') throw new Error(`There is ${requested.kind} to replay.`)
    const found = await readLetter(tx, letterId)
    const { orderId = '', target = '' } = found ?? {}
    const messageId = found?.message.id ?? ''
    const edited = { letterId, edited: { sku }, text: sku, who: 'ada', reason: null }
    const before = { orderId, target, messageId, text: 'IPOD-GREEN' }
    expect(await writeEdited(tx, { ...edited, request: before })).toBe(true)
    expect((await readLetter(tx, letterId))?.delivery.isEditDue).toBe(true)
    return requested.id
  })
}
