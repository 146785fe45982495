import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'

import { createLog } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { declareQueues } from '#queues/declare-queues.ts'
import { addJobs, endJobs, takeJobs } from '#queues/jobs.ts'
import { openBoss } from '#queues/open-boss.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { targetDefaults } from '#targets/target.ts'

import { testDatabase } from './test-database.ts'

/** A database with these targets and their queues, for orders whose deliveries are in any state at all. */
export async function openStuckShop(names: readonly string[]) {
  const database = await testDatabase()
  const { db, pool } = database
  const boss = await openBoss({
    pool,
    supervise: false,
    name: 'test',
    log: createLog('test', 'silent'),
  })
  const targets = names.map((name) => ({ ...targetDefaults, name, kind: 'http' as const }))
  await declareQueues(boss, targets)
  await declareTargets(db, targets)

  return {
    ...database,
    boss,
    async close() {
      await boss.stop()
      await database.close()
    },
    /**
     * An order as it is after some hours. Dead and uncertain deliveries had three attempts; their jobs were
     * fetched three times and cancelled, and dead ones have a dead letter and its copy in pg-boss.
     */
    async placeOrder(messages: readonly StuckMessage[]) {
      const externalId = `WEB-${randomUUID().slice(0, 18)}`
      const { id: orderId } = await db
        .insertInto('orderwheel.orders')
        .values({
          external_id: externalId,
          api_key_id: randomUUID(),
          idempotency_key: externalId,
          fingerprint: Buffer.alloc(32),
          document: JSON.stringify(exampleOrder(externalId)),
          received_at: new Date(Date.now() - 7_200_000),
        })
        .returning('id')
        .executeTakeFirstOrThrow()
      const messageIds: string[] = []
      for (const [position, message] of messages.entries()) {
        const messageId = await newId(db)
        messageIds.push(messageId)
        await addMessage({ orderId, messageId, position: position + 1, ...message })
      }
      return { orderId, externalId, messageIds }
    },
  }

  async function addMessage(message: StuckMessage & Placed) {
    const { orderId, messageId, position, kind } = message
    await db
      .insertInto('orderwheel.messages')
      .values({
        id: messageId,
        position: `${position}`,
        order_id: orderId,
        kind,
        payload: '{}',
        created_at: new Date(Date.now() - 7_000_000),
      })
      .execute()
    for (const [target, state] of Object.entries(message.deliveries)) {
      const after = message.after?.[target] ?? []
      const tried = state === 'dead' || state === 'uncertain'
      await sql`
        insert into orderwheel.deliveries
               (message_id, target, position, order_id, state, after, attempts, last_fetch, settled_at)
        values (${messageId}, ${target}, ${position}, ${orderId}, ${state}, ${after}::text[],
                ${tried ? 3 : 0}, ${tried ? 2 : -1},
                case when ${state} in ('waiting', 'queued', 'active', 'retrying') then null else now() end)`.execute(
        db,
      )
      if (tried) await failThreeTimes({ ...message, target, dead: state === 'dead' })
    }
  }

  async function failThreeTimes(given: Placed & { kind: string; target: string; dead: boolean }) {
    const { orderId, messageId, kind, target, dead } = given
    const job = { messageId, orderId, kind }
    await db.transaction().execute(async (tx) => {
      await addJobs(tx, boss, { queue: target, add: [job] })
      for (let fetches = 1; fetches <= 3; fetches += 1) {
        const [held] = await takeJobs(tx, boss, { queue: target, count: 1 })
        if (!held) throw new Error('The job was not due.')
        const cancel = { kind: 'end', ...(dead ? { bury: job } : {}) } as const
        const end = fetches < 3 ? ({ kind: 'retry', afterSeconds: 0 } as const) : cancel
        await endJobs(tx, boss, { queue: target, ends: [{ job: held, end }] })
      }
    })
    if (!dead) return
    await db
      .insertInto('orderwheel.dead_letters')
      .values({
        message_id: messageId,
        target,
        order_id: orderId,
        reason: 'HTTP 500',
        attempts: '[]',
      })
      .execute()
  }
}

export type StuckShop = Awaited<ReturnType<typeof openStuckShop>>

type StuckMessage = {
  kind: string
  deliveries: Readonly<Record<string, DeliveryState>>
  /** By target: what its delivery comes after. */
  after?: Readonly<Record<string, readonly string[]>>
}

type Placed = { orderId: string; messageId: string; position: number }

/** An id as the outbox gives it to a message. */
async function newId(db: Db): Promise<string> {
  const { rows } = await sql<{ id: string }>`select uuidv7() as id`.execute(db)
  return rows[0]?.id ?? ''
}
