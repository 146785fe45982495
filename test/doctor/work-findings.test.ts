import { afterEach, beforeEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { pauseTarget } from '#limits/pause-target.ts'
import { claimOwnership } from '#owner/write-owner.ts'
import { declareQueues } from '#queues/declare-queues.ts'
import { delivered } from '#targets/outcome.ts'
import { addMonths } from '#upkeep/add-months.ts'

import { diagnose, findOnly } from '../support/diagnose.ts'
import { eventually } from '../support/eventually.ts'
import { openDatabaseAs } from '../support/open-database-as.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

const erp = testTarget('erp')
const mail = testTarget('mail')
const configured = { targets: [erp, mail], routes: { 'order.placed': ['erp', 'mail'] } }
const atOnce = { ...configured, patienceSeconds: 0 }

let shop: TestShop

beforeEach(async () => {
  shop = await openTestShop([erp, mail])
  await claimOwnership(shop.db, { environment: null }, 'worker')
  await addMonths(shop.db)
})
afterEach(() => shop.close())

test('a shop that works has no findings, with orders and without', async () => {
  expect((await diagnose(shop, atOnce)).findings).toEqual([])
  shop.startWorker()
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await eventually(async () => {
    const states = await shop.deliveries(orderId)
    return states['erp'] === 'delivered' && states['mail'] === 'delivered'
  })
  expect((await diagnose(shop, atOnce)).findings).toEqual([])
})

test('a queue that forgets before its target gives up, or expires before a call ends, is found', async () => {
  await shop.pool.query(`
    update pgboss.queue set retention_seconds = 3600 where name = 'erp';
    update pgboss.queue set expire_seconds = 5 where name = 'mail'`)
  const { findings } = await diagnose(shop, configured)
  expect(findings.map(({ kind, what }) => [kind, what])).toEqual([
    [
      'retention-too-short',
      expect.stringMatching(
        /^Queue erp keeps a waiting job for 60 min, and its target is tried for up to \d/,
      ),
    ],
    [
      'expiry-too-short',
      expect.stringMatching(
        /^Queue mail lets a job run for 5 s, and a call of its target may take \d+ s\.$/,
      ),
    ],
  ])
  for (const { fix } of findings) await shop.pool.query(fix.replace(/^.*at once: /, ''))
  expect((await diagnose(shop, configured)).findings).toEqual([])
})

test('a routed target without queue is found, a target nobody routes to is not', async () => {
  const loyalty = testTarget('loyalty')
  const targets = [erp, mail, loyalty]
  expect((await diagnose(shop, { ...configured, targets })).findings).toEqual([])

  const routes = { 'order.placed': ['erp', 'loyalty'] }
  const missing = await findOnly(shop, 'queue-missing', { targets, routes })
  expect(missing.map(({ what }) => what.split(' ')[1])).toEqual(['loyalty', 'loyalty.dead'])
  await declareQueues(shop.boss, targets)
  expect((await diagnose(shop, { targets, routes })).findings).toEqual([])
})

test('a queue without a target is found, and is worse when jobs wait in it', async () => {
  await shop.placeOrder()
  await shop.relay()
  await eventually(async () => (await diagnose(shop, configured)).findings.length === 0)
  const found = await findOnly(shop, 'queue-without-target', {
    targets: [erp],
    routes: { 'order.placed': ['erp'] },
  })
  expect(found.map(({ severity, what }) => `${severity}: ${what}`)).toEqual([
    'error: Queue mail belongs to no target of the configuration, and jobs wait in it.',
    'warning: Queue mail.dead belongs to no target of the configuration, and is empty.',
  ])
})

test('queues that another application keeps in the same pg-boss are none of our business', async () => {
  await shop.boss.createQueue('invoices.dead')
  await shop.boss.createQueue('invoices', { deadLetter: 'invoices.dead' })
  await shop.boss.insert('invoices', [{}])
  expect((await diagnose(shop, configured)).findings).toEqual([])
})

test('work that is due while no worker is connected is found, also when there never was one', async () => {
  await shop.pool.query('delete from orderwheel.installation')
  await shop.placeOrder()
  await shop.relay()
  const [finding] = await findOnly(shop, 'no-worker', atOnce)
  expect(finding?.what).toMatch(
    /^No worker is connected, and deliveries to (erp, mail|mail, erp) are due/,
  )
  // For a minute a deployment may have stopped them.
  expect((await diagnose(shop, configured)).findings).toEqual([])
})

test('a worker that is alive but idle with work waiting is found, one that may not call is not', async () => {
  const worker = await openDatabaseAs(shop.connection, 'orderwheel-worker')
  try {
    await shop.placeOrder()
    await shop.relay()
    const idle = await findOnly(shop, 'worker-idle', atOnce)
    expect(idle.map(({ what }) => what.split(' has been due')[0])).toEqual([
      'A delivery to erp',
      'A delivery to mail',
    ])
    expect(idle[0]?.fix).toContain('Start a worker that takes erp')
    await shop.pool.query(`
      insert into orderwheel.slot_leases (target, worker, slots, wanted) values ('erp', 'host:1:a', 5, 5)`)
    expect((await findOnly(shop, 'worker-idle', atOnce))[0]?.fix).toContain('Restart the workers')

    await pauseTarget(shop.db, { target: 'erp', who: 'eva', reason: 'it moves', end: null })
    await shop.pool.query(`
      update orderwheel.targets set circuit = 'open', probe_at = now() + interval '1 minute' where name = 'mail'`)
    expect((await diagnose(shop, atOnce)).findings).toEqual([])

    await shop.pool.query(`
      update orderwheel.targets set paused_at = null, paused_by = null, pause_reason = null,
             rate_max = 1, rate_per_seconds = 86400, next_call_at = now() + interval '5 hours' where name = 'erp'`)
    expect((await diagnose(shop, atOnce)).findings).toEqual([])
  } finally {
    await worker.close()
  }
})

test('deliveries that a dead worker held are found when nobody is there to take them back', async () => {
  await shop.placeOrder()
  await shop.relay()
  for (const queue of ['erp', 'mail'])
    await claimDeliveries({ db: shop.db, boss: shop.boss }, { queue, count: 1 })
  expect((await diagnose(shop, atOnce)).findings).toEqual([])

  await shop.pool.query(`
    update pgboss.job set heartbeat_on = now() - interval '1 minute' where state = 'active'`)
  await findOnly(shop, 'no-worker', atOnce)
})

test('a busy worker is not idle: what waits behind its slots is no finding', async () => {
  const ends = Promise.withResolvers<ReturnType<typeof delivered>>()
  const calls: string[] = []
  const slow = testTarget('slow', {
    concurrency: 1,
    call: ({ order }) => {
      calls.push(order.id)
      return ends.promise
    },
  })
  const busy = await openTestShop([slow])
  await addMonths(busy.db)
  try {
    busy.startWorker()
    await busy.placeOrder()
    await busy.placeOrder()
    await busy.relay()
    await eventually(() => calls.length === 1)
    const routes = { 'order.placed': ['slow'] }
    expect(
      (await diagnose(busy, { targets: [slow], routes, patienceSeconds: 0 })).findings,
    ).toEqual([])
    ends.resolve(delivered())
  } finally {
    ends.resolve(delivered())
    await busy.close()
  }
})

test('an outbox that does not move is found, one that moves or whose messages wait for their time is not', async () => {
  await shop.placeOrder()
  const [stopped] = await findOnly(shop, 'outbox-not-moving', atOnce)
  expect(stopped?.what).toMatch(
    /^1 messages wait in the outbox, the oldest for 0 s, .* no relay is connected/,
  )
  expect((await diagnose(shop, configured)).findings).toEqual([])
  await shop.pool.query(`update orderwheel.outbox set created_at = now() - interval '2 minutes'`)
  await findOnly(shop, 'outbox-not-moving', configured)

  // Another order's message was relayed a moment ago: the relay is behind, and moves.
  await shop.pool.query(`
    insert into orderwheel.messages (id, position, order_id, kind, payload, created_at)
    select uuidv7(), 1000, order_id, kind, payload, created_at from orderwheel.outbox`)
  expect((await diagnose(shop, configured)).findings).toEqual([])
})

test('messages that were refused are found, and what waits behind them is not a relay that stands still', async () => {
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await shop.addMessage(orderId, 'order.unheard-of')
  await shop.relay()
  await shop.addMessage(orderId, 'order.placed')
  await shop.pool.query(`update orderwheel.outbox set created_at = now() - interval '2 minutes';
                         update orderwheel.messages set relayed_at = now() - interval '2 minutes'`)
  const [refused] = await findOnly(shop, 'message-refused', configured)
  expect(refused).toMatchObject({
    severity: 'error',
    what: expect.stringMatching(
      /^1 message cannot be relayed, for example: Message .*unknown kind order\.unheard-of/,
    ),
  })
})
