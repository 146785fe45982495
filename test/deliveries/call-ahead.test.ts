import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { pauseTarget } from '#limits/pause-target.ts'
import { delivered } from '#targets/outcome.ts'
import type { Target } from '#targets/target.ts'

import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

const slots = 4
const orders = 2_000

/** A target that answers at once, until it is told to hang; with many orders waiting. */
async function openShop(options: Partial<Target> = {}) {
  const calls = heldCalls()
  const told: string[] = []
  let hangs = false
  const target = testTarget('erp', {
    concurrency: slots,
    ...options,
    call: async ({ message }) => {
      told.push(message.id)
      return hangs ? calls.call() : delivered()
    },
  })
  shop = await openTestShop([target])
  await sql`
    with placed as (
      insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
      select 'WEB-' || n, gen_random_uuid(), n, sha256(''), '{}' from generate_series(1, ${orders}::int) n
      returning id
    )
    insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`.execute(
    shop.db,
  )
  await shop.relay()
  return {
    calls,
    told,
    /** Resolves when every slot is taken by a call that hangs. */
    hang: async () => {
      await eventually(() => told.length > orders / 4)
      hangs = true
      await eventually(() => calls.inFlight() === slots)
    },
    heal: () => {
      hangs = false
      calls.end()
    },
  }
}

/** Deliveries that a worker has claimed, being called or not. */
async function claimed(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pgboss.job where name = 'erp' and state = 'active'`.execute(
    shop.db,
  )
  return rows[0]?.n ?? 0
}

/** How often deliveries were tried, and how many of each. */
async function attempts() {
  const { rows } = await sql<{ attempts: number; uncharged: number; deliveries: number }>`
    select attempts, uncharged, count(*)::int as deliveries from orderwheel.deliveries
     where target = 'erp' group by 1, 2 order by 1, 2`.execute(shop.db)
  return rows
}

test('short calls are claimed ahead of their slots, and are never more at a time than there are slots', async () => {
  const { calls, told, hang, heal } = await openShop()
  const worker = shop.startWorker()
  await hang()
  expect(await claimed()).toBeGreaterThan(2 * slots)
  // Given back before long: another worker may have slots for them.
  await eventually(async () => (await claimed()) === slots)
  expect(calls.most()).toBe(slots)
  heal()
  await worker.drained(AbortSignal.timeout(30_000))
  expect(new Set(told).size).toBe(orders)
  expect(told).toHaveLength(orders)
  expect(await attempts()).toEqual([{ attempts: 1, uncharged: 0, deliveries: orders }])
})

test('what was claimed ahead goes back at once when the target is paused', async () => {
  const { hang, heal } = await openShop({ timeoutSeconds: 60 })
  const worker = shop.startWorker()
  await hang()
  await pauseTarget(shop.db, { target: 'erp', who: 'ada', reason: 'maintenance', end: null })
  worker.refresh()
  await eventually(async () => (await claimed()) === slots)
  heal()
  await eventually(async () => (await claimed()) === 0)
  const counts = await attempts()
  expect(counts.map((row) => row.attempts)).toEqual([0, 1])
  expect(counts.every((row) => row.uncharged === 0)).toBe(true)
})

test('what was claimed ahead goes back when the worker stops, and counts as no attempt', async () => {
  const { hang, told } = await openShop()
  const worker = shop.startWorker({ stopSeconds: 2.1 })
  await hang()
  await worker.stop()
  expect(await claimed()).toBe(0)
  expect(await attempts()).toEqual([
    { attempts: 0, uncharged: 0, deliveries: orders - told.length },
    { attempts: 1, uncharged: 0, deliveries: told.length - slots },
    { attempts: 1, uncharged: 1, deliveries: slots },
  ])
})

test('nothing is claimed ahead for a target that must not be told twice: a dead worker leaves less in doubt', async () => {
  const { hang, heal } = await openShop({ idempotent: false })
  const worker = shop.startWorker()
  await hang()
  expect(await claimed()).toBe(slots)
  heal()
  await worker.drained(AbortSignal.timeout(30_000))
})
