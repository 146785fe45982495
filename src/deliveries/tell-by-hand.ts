import { sql } from 'kysely'

import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import { readOwner } from '#owner/read-owner.ts'
import { giveUp, type Outcome } from '#targets/outcome.ts'
import type { Call, Target } from '#targets/target.ts'

import { callTarget, idempotencyKey } from './call-target.ts'
import type { ClaimedDelivery } from './claim-deliveries.ts'
import { readTold } from './read-told.ts'
import { readFile } from './keep-files.ts'
import { readAnswers } from './read-answers.ts'
import { readStanding } from './read-standing.ts'

/** What a target is told when a person tells it by hand. */
export type ByHand = { orderId: string; messageId: string; kind: string } & Required<
  Pick<ClaimedDelivery, 'told'>
>

/** What a target would be told of the first message of this kind of an order; undefined: there is none. */
export async function readByHand(
  db: Db,
  target: string,
  { orderId, kind }: { orderId: string; kind: string },
): Promise<ByHand | undefined> {
  const { rows } = await sql<Row>`
    select m.id as "messageId", m.payload, date_part('epoch', m.created_at) as "createdAt",
           o.document::text as document, date_part('epoch', o.received_at) as "receivedAt"
      from orderwheel.orders o
      join (select id, order_id, position, kind, payload, created_at from orderwheel.messages where order_id = ${orderId}::uuid
            union all
            select id, order_id, position, kind, payload, created_at from orderwheel.outbox where order_id = ${orderId}::uuid) m
        on m.order_id = o.id and m.kind = ${kind}
     where o.id = ${orderId}::uuid
     order by m.position limit 1`.execute(db)
  const [row] = rows
  if (!row) return undefined
  const { messageId, ...message } = row
  const answers = await readAnswers(db, target, [{ messageId, orderId }])
  const told = {
    ...message,
    edited: null,
    answers: answers.get(messageId) ?? null,
    file: (maker: string) => readFile(db, orderId, maker),
    standing: () => readStanding(db, { orderId, messageId, target }),
  }
  return { orderId, messageId, kind, told }
}

type Row = {
  messageId: string
  payload: unknown
  createdAt: number
  document: string
  receivedAt: number
}

/** The call that `tellByHand` would make. */
export function callByHand(target: Target, byHand: ByHand): Omit<Call, 'signal'> {
  const key = idempotencyKey(target.name, byHand.messageId)
  return Object.assign(readTold(byHand), { attempt: 1, idempotencyKey: key })
}

export type ToldByHand =
  | { kind: 'told'; outcome: Outcome; durationMs: number }
  /** Why not from this database, as sentences. */
  | { kind: 'not-ours'; reason: string }

/**
 * Calls a target once, with the Idempotency-Key of its delivery: one that honours keys does nothing twice. Nothing is
 * written to the delivery; that it was done goes to the audit log, before the call. Refused where nothing is delivered
 * from.
 */
export async function tellByHand(
  db: Db,
  {
    target,
    byHand,
    deployment,
    who,
  }: { target: Target; byHand: ByHand; deployment: Deployment; who: string },
): Promise<ToldByHand> {
  const owner = await readOwner(db, deployment)
  if (!owner.delivers) return { kind: 'not-ours', reason: owner.reason }
  const { orderId, messageId, kind } = byHand
  await db
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: 'target.tested',
      subject: orderId,
      details: JSON.stringify({ target: target.name, messageId, kind }),
    })
    .execute()
  const delivery = {
    ...byHand,
    job: { id: messageId, retryCount: 0 },
    attempt: 1,
    charged: 1,
    afterAbandoned: false,
    lostInARow: 0,
    askFirst: false,
    awaited: false,
  }
  const { outcome, durationMs } = await callTarget(target, delivery, () => true).end
  if (outcome.kind === 'handed-back') throw new Error('A call by hand is never handed back.')
  if (outcome.kind === 'withdrawn')
    return { kind: 'told', outcome: giveUp(outcome.reason), durationMs }
  return { kind: 'told', outcome, durationMs }
}
