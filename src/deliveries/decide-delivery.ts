import { sql } from 'kysely'

import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'
import type { Boss } from '#queues/open-boss.ts'
import { unburyJobs } from '#queues/replace-jobs.ts'

import { type Decided, type DecisionRequest, isUndecided } from './decision.ts'
import { lockDeliveries } from './lock-deliveries.ts'
import { recordDecision } from './record-decision.ts'
import { releaseOrder } from './release-order.ts'
import { tryAgain } from './try-again.ts'

/**
 * Carries out what a person decided about a dead or uncertain delivery, in one transaction: the delivery, its
 * dead letter, its job, what waited for it, and the audit log. Then wakes the workers of targets that got jobs.
 */
export async function decideDelivery(
  { db, boss }: { db: Db; boss: Boss },
  request: DecisionRequest,
): Promise<Decided> {
  const decided = await db.transaction().execute((tx) => decide(tx, boss, request))
  if (decided.kind === 'decided') {
    const again = decided.state === 'queued' ? [request.target] : []
    const targets = new Set([...again, ...decided.released.map(({ target }) => target)])
    await notifyOnce(db, 'orderwheel_jobs', [...targets])
  }
  return decided
}

async function decide(tx: Tx, boss: Boss, request: DecisionRequest): Promise<Decided> {
  const found = await lockDelivery(tx, request)
  if (!found || !isUndecided(found.state)) return { kind: 'refused', state: found?.state ?? null }
  const { orderId, state: before } = found
  const letterId = await resolveDeadLetter(tx, request)
  const done = { kind: 'decided', before } as const
  if (request.decision === 'try-again') {
    await tryAgain(tx, boss, { ...found, before, letterId })
    await recordDecision(tx, request, { orderId, before, after: 'queued', released: [] })
    return { ...done, state: 'queued', released: [] }
  }
  const state = request.decision === 'skip' ? 'skipped' : 'delivered'
  await settle(tx, request, state)
  await unburyJobs(tx, boss, { queue: request.target, ids: [request.messageId] })
  const released = await releaseOrder(tx, boss, orderId)
  await recordDecision(tx, request, { orderId, before, after: state, released })
  return { ...done, state, released }
}

type Found = {
  orderId: string
  messageId: string
  target: string
  kind: string
  state: DeliveryState
  lastFetch: number
}

// Read after the lock, by a statement of its own: of two people who decide at once, the second sees what the
// first decided. What waits is locked as well, see lockDeliveries.
async function lockDelivery(
  tx: Tx,
  { messageId, target }: DecisionRequest,
): Promise<Found | undefined> {
  const known = await tx
    .selectFrom('orderwheel.deliveries')
    .select('order_id')
    .where('message_id', '=', messageId)
    .where('target', '=', target)
    .executeTakeFirst()
  if (!known) return undefined
  await lockDeliveries(tx, { target, messageIds: [messageId], orderIds: [known.order_id] })
  return tx
    .selectFrom('orderwheel.deliveries as d')
    .innerJoin('orderwheel.messages as m', 'm.id', 'd.message_id')
    .select([
      'd.order_id as orderId',
      'd.message_id as messageId',
      'd.target',
      'm.kind',
      'd.state',
      'd.last_fetch as lastFetch',
    ])
    .where('d.message_id', '=', messageId)
    .where('d.target', '=', target)
    .executeTakeFirst()
}

/** Answers its id; null: there was none to be decided on. */
async function resolveDeadLetter(
  tx: Tx,
  { messageId, target, decision, who, reason }: DecisionRequest,
): Promise<string | null> {
  const marked = `marked as delivered${reason === null ? '' : `: ${reason}`}`
  const resolved = await tx
    .updateTable('orderwheel.dead_letters')
    .set({
      resolution: decision === 'try-again' ? 'replayed' : 'discarded',
      resolved_at: sql<Date>`now()`,
      resolved_by: who,
      comment: decision === 'mark-delivered' ? marked : reason,
    })
    .where('message_id', '=', messageId)
    .where('target', '=', target)
    .where('resolved_at', 'is', null)
    .returning('id')
    .executeTakeFirst()
  return resolved?.id ?? null
}

async function settle(
  tx: Tx,
  { messageId, target }: DecisionRequest,
  state: 'delivered' | 'skipped',
): Promise<void> {
  await tx
    .updateTable('orderwheel.deliveries')
    .set({ state, settled_at: sql<Date>`now()`, edited: null })
    .where('message_id', '=', messageId)
    .where('target', '=', target)
    .execute()
}
