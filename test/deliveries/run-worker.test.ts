import { getEventListeners } from 'node:events'

import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideSettlement } from '#deliveries/decide-settlement.ts'
import { releaseStranded } from '#deliveries/release-stranded.ts'
import { settleDeliveries } from '#deliveries/settle-deliveries.ts'
import { takeMessages } from '#outbox/take-messages.ts'
import { addDeliveries } from '#relay/add-deliveries.ts'
import { delivered, giveUp, type Outcome, tryAgain, uncertain } from '#targets/outcome.ts'
import type { Call, Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

/** Opens a shop whose ERP answers with these outcomes in turn, the last one for ever. */
async function openShopWithErp(answers: Outcome[], options: Partial<Target> = {}) {
  const calls: Call[] = []
  const erp = testTarget('erp', {
    ...options,
    call: async (call) => {
      const answer = answers[Math.min(calls.length, answers.length - 1)]
      calls.push(call)
      return answer ?? delivered()
    },
  })
  shop = await openTestShop([erp, testTarget('confirmation-email', { after: ['erp'] })])
  return calls
}

async function placeAndRelay() {
  const placed = await shop.placeOrder()
  await shop.relay()
  return placed
}

test('an order is told to its targets, each after what it waits for', async () => {
  const told: string[] = []
  const note = (name: string) => async () => {
    told.push(name)
    return delivered({ status: 201, text: `${name} says yes` })
  }
  shop = await openTestShop([
    testTarget('confirmation-email', { after: ['erp', 'stock'], call: note('confirmation-email') }),
    testTarget('erp', { call: note('erp') }),
    testTarget('stock', { call: note('stock') }),
  ])
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(20_000))

  expect(told.toSorted()).toEqual(['confirmation-email', 'erp', 'stock'])
  expect(told.at(-1)).toBe('confirmation-email')
  expect(Object.values(await shop.deliveries(orderId))).toEqual(Array(3).fill('delivered'))
  expect(await shop.attempts(orderId)).toContainEqual({
    target: 'erp',
    number: 1,
    outcome: 'delivered',
    reason: null,
    answer: { status: 201, text: 'erp says yes' },
  })
})

test('a later message reaches a target only after the earlier one', async () => {
  const told: string[] = []
  const erp = testTarget('erp', {
    call: async ({ message }) => {
      told.push(message.kind)
      return told.length === 1 ? tryAgain('busy') : delivered()
    },
  })
  const both = ['erp', 'analytics']
  shop = await openTestShop([erp, testTarget('analytics')], {
    'order.placed': both,
    'order.cancelled': both,
  })
  const { orderId } = await shop.placeOrder()
  await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()
  const worker = shop.startWorker()
  // Analytics has heard of both, one after the other; the ERP is still at the first.
  await eventually(async () => {
    const attempts = await shop.attempts(orderId)
    return (
      attempts.filter(({ target }) => target === 'analytics').length === 2 && attempts.length === 3
    )
  })
  expect(told).toEqual(['order.placed'])
  await shop.letTimePass()
  await eventually(() => told.length === 3)
  await worker.drained(AbortSignal.timeout(20_000))
  expect(told).toEqual(['order.placed', 'order.placed', 'order.cancelled'])
})

test('of two deliveries settled at the same moment, one releases what waits for both', async () => {
  shop = await openTestShop([
    testTarget('erp'),
    testTarget('stock'),
    testTarget('confirmation-email', { after: ['erp', 'stock'] }),
  ])
  const { db, boss } = shop
  const deps = { db, boss, worker: 'w' }
  const { orderId } = await placeAndRelay()
  const settle = async (name: string) => {
    const [delivery] = await claimDeliveries(deps, { queue: name, count: 1 })
    if (!delivery) throw new Error('nothing to claim')
    const end = { outcome: delivered(), askFirst: false, durationMs: 1 }
    return () =>
      settleDeliveries(deps, name, [
        decideSettlement(testTarget(name), { delivery, end, begunAt: 0 }),
      ])
  }
  const settlements = [await settle('erp'), await settle('stock')]
  // The ERP's settlement is held open just before its commit, while the other one runs.
  await db.transaction().execute(async (tx) => {
    await sql`select from orderwheel.deliveries where state = 'waiting' for update`.execute(tx)
    const both = settlements.map((run) => run())
    await eventually(async () => (await waitingForLocks()) === 2)
    // Nothing of a settlement can be seen before what waits for it is released.
    expect(await shop.deliveries(orderId)).toMatchObject({ erp: 'queued', stock: 'queued' })
    void Promise.all(both)
  })
  await eventually(async () => (await shop.deliveries(orderId))['confirmation-email'] === 'queued')
})

test('a later message relayed while the earlier one is being settled is not forgotten', async () => {
  shop = await openTestShop([testTarget('erp')], {
    'order.placed': ['erp'],
    'order.cancelled': ['erp'],
  })
  const { db, boss } = shop
  const deps = { db, boss, worker: 'w' }
  const { orderId } = await placeAndRelay()
  const [delivery] = await claimDeliveries(deps, { queue: 'erp', count: 1 })
  if (!delivery) throw new Error('nothing to claim')
  const end = { outcome: delivered(), askFirst: false, durationMs: 1 }
  await shop.addMessage(orderId, 'order.cancelled')

  // The relay has seen the earlier delivery open and makes the later one wait for it, but has not committed.
  const settled = await db.transaction().execute(async (tx) => {
    const messages = await takeMessages(
      tx,
      { limit: 1 },
      { routes: { 'order.cancelled': ['erp'] }, payee: 'payment' },
    )
    const added = messages.map(({ id, ...message }) => ({
      ...message,
      messageId: id,
      target: 'erp',
      after: [],
      withdrawn: false,
      shed: false,
    }))
    expect(await addDeliveries(tx, added)).toMatchObject([{ state: 'waiting' }])
    const settling = settleDeliveries(deps, 'erp', [
      decideSettlement(testTarget('erp'), { delivery, end, begunAt: 0 }),
    ])
    await eventually(async () => (await waitingForLocks()) === 1)
    return { settling }
  })
  expect((await settled.settling).released).toEqual(['erp'])
})

test('a failed attempt is repeated with the same idempotency key, later each time', async () => {
  const calls = await openShopWithErp([tryAgain('500'), tryAgain('500'), delivered()])
  const { orderId, messageId } = await placeAndRelay()
  shop.startWorker()
  await eventually(async () => (await shop.attempts(orderId)).length === 1)
  const first = await secondsUntilDue()
  await shop.letTimePass()
  await eventually(async () => (await shop.attempts(orderId)).length === 2)
  const second = await secondsUntilDue()
  await shop.letTimePass()
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'delivered')

  expect(first).toBeGreaterThan(4)
  expect(first).toBeLessThanOrEqual(10)
  expect(second).toBeGreaterThan(9)
  expect(second).toBeLessThanOrEqual(20)
  expect(calls.map((call) => call.attempt)).toEqual([1, 2, 3])
  expect(new Set(calls.map((call) => call.idempotencyKey))).toEqual(new Set([`erp-${messageId}`]))
})

test('a target that says when to come back is not called before', async () => {
  await openShopWithErp([tryAgain('429', { notBeforeSeconds: 120 })])
  const { orderId } = await placeAndRelay()
  shop.startWorker()
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'retrying')
  const due = await secondsUntilDue()
  expect(due).toBeGreaterThan(115)
  expect(due).toBeLessThanOrEqual(120)
})

test('what will not get better is given up at once and kept with its attempts', async () => {
  const calls = await openShopWithErp([giveUp('422: no such article', { status: 422, text: 'no' })])
  const { orderId, messageId } = await placeAndRelay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(20_000))

  expect(calls).toHaveLength(1)
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'dead', 'confirmation-email': 'waiting' })
  const [letter] = await deadLetters()
  expect(letter).toMatchObject({ message_id: messageId, target: 'erp', order_id: orderId })
  expect(letter?.reason).toBe('422: no such article')
  expect(letter?.attempts).toMatchObject([
    { number: 1, outcome: 'give-up', answer: { status: 422, text: 'no' } },
  ])
  const dead = await sql`select id, name from pgboss.job where name = 'erp.dead'`.execute(shop.db)
  expect(dead.rows).toEqual([{ id: messageId, name: 'erp.dead' }])
})

test('after the last attempt the delivery is a dead letter with every attempt', async () => {
  const retry = { attempts: 3, delaySeconds: 1, maxDelaySeconds: 2 }
  const calls = await openShopWithErp([tryAgain('down')], { retry })
  const { orderId } = await placeAndRelay()
  shop.startWorker()
  for (const attempts of [1, 2]) {
    await eventually(async () => (await shop.attempts(orderId)).length === attempts)
    await shop.letTimePass()
  }
  const [letter] = await eventually(async () => {
    const letters = await deadLetters()
    return letters.length > 0 && letters
  })
  expect(calls).toHaveLength(3)
  expect(letter?.attempts).toHaveLength(3)
  expect((await shop.deliveries(orderId)).erp).toBe('dead')
})

test('no answer from a target that is not idempotent is for a person to decide', async () => {
  const calls = await openShopWithErp([uncertain('sent, no answer')], { idempotent: false })
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(20_000))
  await shop.letTimePass()
  await worker.drained(AbortSignal.timeout(20_000))
  expect(calls).toHaveLength(1)
  expect((await shop.deliveries(orderId)).erp).toBe('uncertain')
})

test('no answer from an idempotent target is simply repeated', async () => {
  const calls = await openShopWithErp([uncertain('sent, no answer'), delivered()])
  const { orderId } = await placeAndRelay()
  shop.startWorker()
  await eventually(async () => (await shop.attempts(orderId)).length === 1)
  await shop.letTimePass()
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'delivered')
  expect(calls).toHaveLength(2)
})

test('a target that never answers is cut off at its deadline, even when it ignores its signal', async () => {
  const erp = testTarget('erp', { timeoutSeconds: 0.05, call: () => new Promise(() => {}) })
  shop = await openTestShop([erp])
  const { orderId } = await placeAndRelay()
  shop.startWorker()
  const [attempt] = await eventually(async () => {
    const attempts = await shop.attempts(orderId)
    return attempts.length > 0 && attempts
  })
  expect(attempt).toMatchObject({ outcome: 'try-again', reason: 'No answer within 0.05 s.' })
})

test('a target’s code that throws is an attempt that failed', async () => {
  const erp = testTarget('erp', { call: () => Promise.reject(new Error('boom')) })
  shop = await openTestShop([erp])
  const { orderId } = await placeAndRelay()
  shop.startWorker()
  await eventually(async () => (await shop.attempts(orderId))[0]?.reason === 'boom')
})

test('an answer PostgreSQL cannot store is stored as far as it can be', async () => {
  await openShopWithErp([delivered({ text: `a\0b${'\ud83d\ude00'.slice(0, 1)}c` })])
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(20_000))
  expect((await shop.attempts(orderId))[0]?.answer).toEqual({ text: 'a\uFFFDb\uFFFDc' })
})

test('a worker that is stopped finishes what it can', async () => {
  const started = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<Outcome>()
  const erp = testTarget('erp', {
    call: () => {
      started.resolve()
      return finish.promise
    },
  })
  shop = await openTestShop([erp])
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker()
  await started.promise
  const stopped = worker.stop()
  finish.resolve(delivered())
  await stopped
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'delivered' })
})

test('a worker that is stopped hands back what it cannot finish, uncharged, to be called again at once', async () => {
  const started = Promise.withResolvers<void>()
  let calls = 0
  const erp = testTarget('erp', {
    retry: { attempts: 1, delaySeconds: 600, maxDelaySeconds: 600 },
    call: async ({ signal }) => {
      calls += 1
      if (calls > 1) return delivered()
      started.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return tryAgain('never sent')
    },
  })
  shop = await openTestShop([erp])
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker({ stopSeconds: 2.05 })
  await started.promise
  await worker.stop()
  expect((await shop.attempts(orderId)).map((a) => a.outcome)).toEqual(['handed-back'])
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'retrying' })
  const budget = await sql`select attempts, uncharged from orderwheel.deliveries`.execute(shop.db)
  expect(budget.rows).toEqual([{ attempts: 1, uncharged: 1 }])

  shop.startWorker()
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'delivered')
  expect(calls).toBe(2)
})

test('a worker that lost its job cannot settle the attempt of the one that has it now', async () => {
  await openShopWithErp([delivered()])
  const { db, boss } = shop
  const deps = { db, boss, worker: 'frozen' }
  const { orderId } = await placeAndRelay()
  const [held] = await claimDeliveries(deps, { queue: 'erp', count: 1 })
  if (!held) throw new Error('nothing to claim')
  await loseHeartbeats()
  const other = shop.startWorker({ only: ['erp'] })
  await eventually(async () => (await shop.attempts(orderId)).length === 2)
  await other.drained(AbortSignal.timeout(20_000))

  const late = decideSettlement(testTarget('erp'), {
    delivery: held,
    end: { outcome: giveUp('too late'), askFirst: false, durationMs: 60_000 },
    begunAt: performance.now() - 60_000,
  })
  expect((await settleDeliveries(deps, 'erp', [late])).settlements).toEqual([])
  expect((await shop.deliveries(orderId)).erp).toBe('delivered')
  expect((await shop.attempts(orderId)).map((a) => a.outcome)).toEqual(['abandoned', 'delivered'])
  expect(await deadLetters()).toEqual([])
})

test('a long call is kept alive: nobody takes it for lost', async () => {
  const answer = Promise.withResolvers<Outcome>()
  shop = await openTestShop([testTarget('erp', { call: () => answer.promise })])
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker()
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'active')
  await sql`update pgboss.job set heartbeat_on = now() - interval '5 seconds'`.execute(shop.db)
  await eventually(async () => {
    const { rows } = await sql<{ fresh: boolean }>`
      select heartbeat_on > now() - interval '3 seconds' as fresh from pgboss.job`.execute(shop.db)
    return rows[0]?.fresh
  })
  answer.resolve(delivered())
  await worker.drained(AbortSignal.timeout(20_000))
  expect((await shop.attempts(orderId)).map((a) => a.outcome)).toEqual(['delivered'])
})

test('when a worker dies in the middle of a call to a target that is not idempotent, a person decides', async () => {
  const calls = await openShopWithErp([delivered()], { idempotent: false })
  const { db, boss } = shop
  const { orderId } = await placeAndRelay()
  await claimDeliveries({ db, boss }, { queue: 'erp', count: 1 })
  await loseHeartbeats()
  shop.startWorker({ only: ['erp'] })
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'uncertain')
  expect(calls).toHaveLength(0)
})

test('an order that keeps taking its worker down is given up after the last attempt', async () => {
  const retry = { attempts: 2, delaySeconds: 1, maxDelaySeconds: 1 }
  const calls = await openShopWithErp([delivered()], { retry })
  const { db, boss } = shop
  const { orderId } = await placeAndRelay()
  for (let killed = 0; killed < 2; killed += 1) {
    await claimDeliveries({ db, boss }, { queue: 'erp', count: 1 })
    await loseHeartbeats()
    await sql`update pgboss.job set state = 'retry' where name = 'erp'`.execute(db)
  }
  shop.startWorker({ only: ['erp'] })
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'dead')
  expect(calls).toHaveLength(0)
  expect((await deadLetters())[0]?.reason).toContain('of the last nothing was heard')
})

test('a slow target takes nothing from another one', async () => {
  const release = Promise.withResolvers<Outcome>()
  shop = await openTestShop([
    testTarget('erp', { concurrency: 2, call: () => release.promise }),
    testTarget('analytics'),
  ])
  const orders: { orderId: string }[] = []
  for (let i = 0; i < 10; i += 1) orders.push(await shop.placeOrder())
  await shop.relay()
  const worker = shop.startWorker()
  await eventually(async () => {
    const states = await Promise.all(orders.map(({ orderId }) => shop.deliveries(orderId)))
    return states.every((state) => state.analytics === 'delivered')
  })
  // Calls that last show in their deliveries, and there are no more than slots.
  await eventually(async () => (await activeCalls('erp')) === 2)
  release.resolve(delivered())
  await worker.drained(AbortSignal.timeout(20_000))
})

test('a worker for some targets leaves the others alone', async () => {
  shop = await openTestShop([testTarget('erp'), testTarget('analytics')])
  const { orderId } = await placeAndRelay()
  const worker = shop.startWorker({ only: ['analytics'] })
  await worker.drained(AbortSignal.timeout(20_000))
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'queued', analytics: 'delivered' })
})

test('a target taken out of the configuration gets what waited for it once it is back', async () => {
  const [erp, email] = [testTarget('erp'), testTarget('confirmation-email', { after: ['erp'] })]
  shop = await openTestShop([erp, email])
  const { orderId } = await placeAndRelay()
  const without = shop.startWorker({ targets: [erp] })
  await without.drained(AbortSignal.timeout(20_000))
  expect(await shop.deliveries(orderId)).toEqual({
    erp: 'delivered',
    'confirmation-email': 'queued',
  })
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
  expect((await shop.deliveries(orderId))['confirmation-email']).toBe('delivered')
})

test('one delivery that cannot be claimed does not keep the others from their target', async () => {
  await openShopWithErp([delivered()])
  const bad = await shop.placeOrder()
  const good = [await shop.placeOrder(), await shop.placeOrder()]
  await shop.relay()
  // Its first worker was lost, and that cannot be written down.
  await sql`update pgboss.job set started_on = now() where id = ${bad.messageId}`.execute(shop.db)
  await sql`alter table orderwheel.delivery_attempts add constraint bad
    check (message_id <> ${sql.lit(bad.messageId)})`.execute(shop.db)
  const worker = shop.startWorker({ only: ['erp'] })
  await worker.drained(AbortSignal.timeout(20_000))
  for (const { orderId } of good) {
    expect((await shop.deliveries(orderId)).erp).toBe('delivered')
  }
  expect((await shop.deliveries(bad.orderId)).erp).toBe('queued')

  await sql`alter table orderwheel.delivery_attempts drop constraint bad`.execute(shop.db)
  await shop.letTimePass()
  await eventually(async () => (await shop.deliveries(bad.orderId)).erp === 'delivered')
})

test('a call that was made is not made again because what waits for it cannot be released', async () => {
  const calls = await openShopWithErp([delivered()])
  const { orderId, messageId } = await placeAndRelay()
  await shop.boss.insert('confirmation-email', [{ id: messageId, data: {} }])
  const worker = shop.startWorker({ only: ['erp'] })
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'delivered')
  expect((await shop.deliveries(orderId))['confirmation-email']).toBe('waiting')
  await worker.drained(AbortSignal.timeout(20_000))
  expect(calls).toHaveLength(1)

  await sql`delete from pgboss.job where name = 'confirmation-email'`.execute(shop.db)
  const { db, boss } = shop
  const step = await releaseStranded(
    { db, boss },
    { target: 'confirmation-email', from: undefined },
  )
  expect(step).toEqual({ released: ['confirmation-email'], next: undefined })
  expect((await shop.deliveries(orderId))['confirmation-email']).toBe('queued')
})

test('what still waits for something is not taken for stranded', async () => {
  await openShopWithErp([delivered()])
  const { orderId } = await placeAndRelay()
  const { db, boss } = shop
  const step = await releaseStranded(
    { db, boss },
    { target: 'confirmation-email', from: undefined },
  )
  expect(step.released).toEqual([])
  expect((await shop.deliveries(orderId))['confirmation-email']).toBe('waiting')
})

test('a worker stops in time although the database hangs', async () => {
  const started = Promise.withResolvers<void>()
  const erp = testTarget('erp', {
    concurrency: 2,
    call: async ({ signal }) => {
      started.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return tryAgain('never sent')
    },
  })
  shop = await openTestShop([erp])
  await placeAndRelay()
  const worker = shop.startWorker({ stopSeconds: 2.5 })
  await started.promise
  await shop.db.transaction().execute(async (tx) => {
    await sql`lock table orderwheel.deliveries in access exclusive mode`.execute(tx)
    await expect(worker.stop()).resolves.toBeUndefined()
  })
})

test('a call leaves nothing behind on its signal', async () => {
  const calls = await openShopWithErp([delivered()])
  await placeAndRelay()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
  expect(calls.map((call) => getEventListeners(call.signal, 'abort').length)).toEqual([0])
})

/** Makes the n-th such write of a table fail with the n-th error of the list; '' lets it pass. */
async function failWrites(table: string, when: string, errors: string[]): Promise<void> {
  await sql`
    create sequence ${sql.raw(`${table}_writes`)};
    create function ${sql.raw(`${table}_fails`)}() returns trigger language plpgsql as $$
      declare code text := (array[${sql.raw(errors.map((code) => `'${code}'`).join(','))}])[nextval('${sql.raw(`${table}_writes`)}')];
      begin
        if code <> '' then raise exception 'made to fail' using errcode = code; end if;
        return new;
      end $$;
    create trigger fails before ${sql.raw(when)}
      execute function ${sql.raw(`${table}_fails`)}()`.execute(shop.db)
}

test('a database that fails in two ways while an attempt is settled loses nothing', async () => {
  const calls = await openShopWithErp([delivered()])
  const { orderId } = await placeAndRelay()
  await failWrites('attempts', 'insert on orderwheel.delivery_attempts for each row', [
    'P0001', // the batch: each by itself then
    '40001', // by itself: worth repeating
  ])
  shop.startWorker({ only: ['erp'] })
  await eventually(async () => (await shop.deliveries(orderId)).erp === 'delivered')
  expect(calls).toHaveLength(1)
})

test('what was claimed is called, even when what cannot be claimed cannot be put off either', async () => {
  const calls = await openShopWithErp([delivered()])
  const orders = [await shop.placeOrder(), await shop.placeOrder()]
  await shop.relay()
  const claims = `update on orderwheel.deliveries for each row when (new.state = 'active')`
  await failWrites('claims', claims, ['P0001', '', 'P0001'])
  await failWrites('jobs', `insert on pgboss.job for each row when (new.state = 'retry')`, [
    '40001',
  ])
  await shop.startWorker({ only: ['erp'] }).drained(AbortSignal.timeout(20_000))
  for (const { orderId } of orders) {
    expect((await shop.attempts(orderId)).map((a) => a.outcome)).toEqual(['delivered'])
  }
  expect(calls).toHaveLength(2)
})

test('no transaction is open while a target is being called', async () => {
  let wasFree = false
  const erp = testTarget('erp', {
    call: async () => {
      // For a moment there may be one of a claim that finds nothing more; one that waits for this call would stay.
      await eventually(async () => (await openTransactions()) === 0, { withinSeconds: 10 })
      wasFree = true
      return delivered()
    },
  })
  shop = await openTestShop([erp])
  await placeAndRelay()
  await shop.startWorker().drained(AbortSignal.timeout(20_000))
  expect(wasFree).toBe(true)
})

async function openTransactions(): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
     where datname = current_database() and state like 'idle in transaction%'`.execute(shop.db)
  return rows[0]?.n
}

async function activeCalls(target: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from orderwheel.deliveries
     where target = ${target} and state = 'active'`.execute(shop.db)
  return rows[0]?.n ?? 0
}

async function waitingForLocks(): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`.execute(shop.db)
  return rows[0]?.n
}

const loseHeartbeats = () =>
  sql`update pgboss.job set heartbeat_on = now() - interval '1 minute' where state = 'active'`.execute(
    shop.db,
  )

const deadLetters = () => shop.db.selectFrom('orderwheel.dead_letters').selectAll().execute()

async function secondsUntilDue(): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select extract(epoch from start_after - now())::float8 as seconds
      from pgboss.job where name = 'erp' and state = 'retry'`.execute(shop.db)
  return rows[0]?.seconds ?? Number.NaN
}
