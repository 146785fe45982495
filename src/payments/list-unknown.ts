import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** A payment of which it is not known whether it was charged. */
export type UnknownPayment = {
  orderId: string
  externalId: string
  provider: string
  /** How often the gateway was asked. */
  attempts: number
  begunAt: Date
  /** What came of it last; null: nothing yet. */
  reason: string | null
  /** Somebody is asking at this moment. */
  isBeingAsked: boolean
  /** Null: not by itself any more, a person decides. */
  askedNextAt: Date | null
  isCancelled: boolean
}

const most = 1_000

/** The oldest first, at most 1 000. */
export async function listUnknown(db: Db): Promise<UnknownPayment[]> {
  const { rows } = await sql<UnknownPayment>`
    select p.order_id as "orderId", p.external_id as "externalId", p.provider, p.attempts, p.begun_at as "begunAt", p.reason,
           coalesce(p.claimed_until > now(), false) as "isBeingAsked",
           case when p.try_after < 'infinity' then p.try_after end as "askedNextAt",
           exists (select from orderwheel.outbox b
                    where b.order_id = p.order_id and b.kind = 'order.cancelled') as "isCancelled"
      from orderwheel.payments p
     where p.state = 'pending'
     order by p.begun_at, p.order_id
     limit ${most}`.execute(db)
  return rows
}
