import { sql } from 'kysely'

import { type Deployment, onlyDeployment } from '#base/deployment.ts'
import { withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { ownerFit, type OwnerFit } from '#owner/owner-fit.ts'
import type { HeldJob } from '#queues/jobs.ts'

// Nothing is locked: the job, which is, keeps everybody else away. `offset 0`: looked up one by one, where
// statistics of a moment ago may make PostgreSQL read a whole table for a few hundred of its rows. Times come as
// seconds, which cost less than text on both sides.
//
// Whose database this is, is asked here once more: the worker's last look may have been at another one, before a
// failover or a changed name led its new connections to a restored copy.
/** The open deliveries of these jobs, with what is to be told, and whether the database is this deployment's. */
export async function readClaimed(
  tx: Tx,
  { target, jobs, deployment = onlyDeployment }: ToRead,
): Promise<ClaimedRow[]> {
  const messageIds = jobs.map((job) => job.id)
  const ids = `{${messageIds.join(',')}}`
  const { rows } = await sql<ClaimedRow>`
    select d.message_id as "messageId", d.order_id as "orderId", d.attempts, d.uncharged,
           d.last_fetch as "lastFetch", d.lost_in_a_row as "lostInARow", d.ask_first as "askFirst", d.awaited, ${isShown(messageIds)} as "isShown",
           d.edited, d.after <> '{}' or m.kind <> 'order.placed' as "hasEarlier", m.kind, m.payload,
           date_part('epoch', m.created_at) as "createdAt",
           o.document::text as document, date_part('epoch', o.received_at) as "receivedAt",
           now()::text as "claimedAt", ${ownerFit(deployment)} as fit
      from orderwheel.deliveries d
     cross join lateral (
             select * from orderwheel.messages where id = d.message_id and ${withinIds('id', messageIds)} offset 0) m
      left join lateral (select * from orderwheel.orders where id = d.order_id offset 0) o on true
     where d.message_id = any(${ids}::uuid[]) and ${withinIds('d.message_id', messageIds)}
       and d.target = ${target} and d.settled_at is null`.execute(tx)
  return rows
}

// A call that lasted for a second, whose end nobody recorded: one that was recorded began when the delivery says.
function isShown(messageIds: readonly string[]) {
  return sql<boolean>`(d.started_at is not null and (d.state = 'active' or not exists (
             select from orderwheel.delivery_attempts a
              where a.message_id = d.message_id and a.target = d.target and a.started_at >= d.started_at
                and ${withinIds('a.message_id', messageIds)})))`
}

type ToRead = {
  target: string
  jobs: readonly HeldJob[]
  deployment: Deployment | undefined
}

export type ClaimedRow = {
  messageId: string
  orderId: string
  attempts: number
  uncharged: number
  lastFetch: number
  lostInARow: number
  askFirst: boolean
  awaited: boolean
  /** A call that no attempt tells of was shown as active. */
  isShown: boolean
  kind: string
  payload: unknown
  createdAt: number
  document: string | null
  receivedAt: number | null
  edited: unknown
  hasEarlier: boolean
  claimedAt: string
  fit: OwnerFit
}
