import { sql } from 'kysely'

import { withinIds } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'
import type { Boss } from '#queues/open-boss.ts'

import { lockDeliveries } from './lock-deliveries.ts'
import { nothingInTheWay, releaseWaiting } from './release-waiting.ts'

/** How far a walk through a target's waiting deliveries has come. */
export type Place = { createdAt: Date; messageId: string }

// A step must stay cheap with a million deliveries waiting behind an ERP that is down.
const stepSize = 500

/**
 * One step of a walk through a target's waiting deliveries: releases those that wait for nothing any
 * more. Settling releases what waits, so there are none, unless a queue was missing at that moment or
 * somebody changed a row by hand. Answers the targets that got jobs, and where to go on; no place: the
 * walk is at its end.
 */
export async function releaseStranded(
  { db, boss }: { db: Db; boss: Boss },
  { target, from }: { target: string; from: Place | undefined },
): Promise<{ released: string[]; next: Place | undefined }> {
  const seen = await look(db, target, from)
  const orderIds = await findStranded(db, target, seen)
  const last = seen.length === stepSize ? seen.at(-1) : undefined
  const next = last && { createdAt: last.createdAt, messageId: last.messageId }
  if (orderIds.length === 0) return { released: [], next }
  const released = await db.transaction().execute(async (tx) => {
    await lockDeliveries(tx, { target, messageIds: [], orderIds })
    return releaseWaiting(tx, boss, orderIds)
  })
  return { released, next }
}

type Seen = Place & { orderId: string }

// What is open may be of any month: it is found in an index of what is open, of which old months have next to nothing.
async function look(db: Db, target: string, from: Place | undefined): Promise<Seen[]> {
  const after = from
    ? sql`(w.created_at, w.message_id) > (${from.createdAt}, ${from.messageId}::uuid)`
    : sql`true`
  const { rows } = await sql<Seen>`
    select w.order_id as "orderId", w.created_at as "createdAt", w.message_id as "messageId"
      from orderwheel.deliveries w
     where w.target = ${target} and w.settled_at is null and w.state = 'waiting' and ${after}
     order by w.created_at, w.message_id
     limit ${stepSize}`.execute(db)
  return rows
}

/** The orders of those that wait for nothing. By themselves: what these wait for is looked for in their months only. */
async function findStranded(db: Db, target: string, seen: readonly Seen[]): Promise<string[]> {
  if (seen.length === 0) return []
  const messageIds = seen.map((row) => row.messageId)
  const orderIds = seen.map((row) => row.orderId)
  const { rows } = await sql<{ orderId: string }>`
    select distinct w.order_id as "orderId"
      from orderwheel.deliveries w
     where w.message_id = any(${messageIds}::uuid[]) and ${withinIds('w.message_id', messageIds)}
       and w.target = ${target} and w.state = 'waiting' and ${nothingInTheWay(orderIds)}`.execute(
    db,
  )
  return rows.map((row) => row.orderId)
}
