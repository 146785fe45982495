import { randomUUID } from 'node:crypto'

import { createLog } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'
import { startWorker, type Worker, type WorkerOptions } from '#deliveries/run-worker.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { Routes } from '#messages/message-kinds.ts'
import type { OwnKinds } from '#messages/own-kinds.ts'
import { declareQueues } from '#queues/declare-queues.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { openBoss } from '#queues/open-boss.ts'
import { drainOutbox } from '#relay/run-relay.ts'
import { type Target, targetDefaults } from '#targets/target.ts'

import { letTimePass } from './let-time-pass.ts'
import { testDatabase, type TestDatabase } from './test-database.ts'

/** A target whose answers the test decides. */
export function testTarget(name: string, options: Partial<Target> = {}): Target {
  return {
    ...targetDefaults,
    name,
    kind: 'custom',
    call: async () => ({ kind: 'delivered' }),
    close: async () => {},
    ...options,
  }
}

const silent = createLog('test', 'silent')

/** A database (one of its own by default) with queues for these targets, and what a test needs to send orders through them. */
export async function openTestShop(targets: Target[], routes?: Routes, given?: TestDatabase) {
  const database = given ?? (await testDatabase())
  const { db, pool } = database
  const boss = await openBoss({ pool, supervise: false, name: 'test', log: silent })
  await declareQueues(boss, targets)
  await declareTargets(db, targets)
  const relayOptions = {
    db,
    boss,
    targets,
    routes: routes ?? { 'order.placed': targets.map((target) => target.name) },
    kinds: new Map() as OwnKinds,
    log: silent,
    jobsAdded: () => {},
  }
  const workers: Worker[] = []

  return {
    ...database,
    boss,
    relayOptions,
    /** Stores an order and its message as the api does, in one transaction; answers their ids. */
    placeOrder: () => db.transaction().execute((tx) => insertOrder(tx)),
    addMessage: (orderId: string, kind: string) => insertMessage(db, orderId, kind),
    relay: () => drainOutbox(relayOptions, AbortSignal.timeout(30_000)),
    startWorker(more: Partial<WorkerOptions> = {}) {
      const worker: Worker = startWorker({
        db,
        boss,
        log: silent,
        jobsAdded: (names) => worker.wake(names),
        targetChanged: () => workers.forEach((other) => other.refresh()),
        targets,
        ...more,
      })
      workers.push(worker)
      return worker
    },
    async deliveries(orderId: string): Promise<Record<string, DeliveryState>> {
      const rows = await db
        .selectFrom('orderwheel.deliveries')
        .select(['target', 'state'])
        .where('order_id', '=', orderId)
        .orderBy('message_id')
        .execute()
      return Object.fromEntries(rows.map((row) => [row.target, row.state]))
    },
    attempts: (orderId: string) =>
      db
        .selectFrom('orderwheel.delivery_attempts as a')
        .innerJoin('orderwheel.deliveries as d', (join) =>
          join.onRef('d.message_id', '=', 'a.message_id').onRef('d.target', '=', 'a.target'),
        )
        .select(['a.target', 'a.number', 'a.outcome', 'a.reason', 'a.answer'])
        .where('d.order_id', '=', orderId)
        .orderBy('a.started_at')
        .orderBy('a.number')
        .execute(),
    /** Time passes without waiting for it: so many seconds for all that the engine waits for, or all of it. */
    async letTimePass(seconds?: number) {
      await letTimePass(db, seconds)
      for (const worker of workers) worker.refresh()
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()))
      await boss.stop()
      await database.close()
    },
  }
}

export type TestShop = Awaited<ReturnType<typeof openTestShop>>

async function insertOrder(db: Db): Promise<{ orderId: string; messageId: string }> {
  const externalId = `WEB-${randomUUID().slice(0, 18)}`
  const { id } = await db
    .insertInto('orderwheel.orders')
    .values({
      external_id: externalId,
      api_key_id: randomUUID(),
      idempotency_key: externalId,
      fingerprint: Buffer.alloc(32),
      document: JSON.stringify(exampleOrder(externalId)),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { orderId: id, messageId: await insertMessage(db, id, 'order.placed') }
}

async function insertMessage(db: Db, orderId: string, kind: string): Promise<string> {
  const { id } = await db
    .insertInto('orderwheel.outbox')
    .values({ order_id: orderId, kind })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}
