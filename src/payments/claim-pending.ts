import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { ToCharge } from './charge.ts'

/** `canLookUp`: the gateway says what became of a charge without making it, so that nothing is left to a person. */
export type Asking = { canLookUp: boolean }

function isDue({ canLookUp }: Asking) {
  return canLookUp ? sql`(try_after <= now() or try_after = 'infinity')` : sql`try_after <= now()`
}

/** Whether the gateway has to be asked about any payment again. */
export async function hasPending(db: Db, asking: Asking): Promise<boolean> {
  const { rows } = await sql<{ due: boolean }>`
    select exists (select from orderwheel.payments where state = 'pending' and ${isDue(asking)}) as due`.execute(
    db,
  )
  return rows[0]?.due ?? false
}

/** `isOld`: so that the gateway may have forgotten its key, and would charge again. */
export type Claimed = ToCharge & { isOld: boolean }

// One answer that nothing was charged proves nothing while the request may still be on its way, or the gateway's search
// lags behind its ledger. No charge is begun after the cancellation: an hour later, what was begun before has ended.
const landsWithin = sql`interval '1 hour'`

// Most gateways keep keys for 24 hours.
const keysAreKeptFor = sql`interval '23 hours'`

/**
 * Takes payments of which nobody knows what became, those due the longest first, for so many seconds: several relays
 * share them, and what one takes and does not finish is another's after that.
 */
export async function claimPending(
  db: Db,
  { limit, seconds, ...asking }: { limit: number; seconds: number } & Asking,
): Promise<Claimed[]> {
  const { rows } = await sql<Omit<Claimed, 'receivedAt'> & { receivedAt: Date }>`
    update orderwheel.payments p
       set attempts = p.attempts + 1, claimed_until = now() + make_interval(secs => ${seconds}),
           try_after = now() + make_interval(secs => ${seconds})
      from orderwheel.orders o
     where o.id = p.order_id
       and p.order_id in (
         select order_id from orderwheel.payments
          where state = 'pending' and ${isDue(asking)}
          order by try_after limit ${limit}
            for update skip locked)
    returning p.order_id as "orderId", p.token, p.mode, p.attempts as attempt, o.document as "order",
              o.received_at as "receivedAt",
              (select case when b.created_at > now() - ${landsWithin} then 'lately' else 'long-ago' end
                 from orderwheel.outbox b
                where b.order_id = p.order_id and b.kind = 'order.cancelled' limit 1) as cancelled,
              p.begun_at < now() - ${keysAreKeptFor} as "isOld"`.execute(db)
  return rows.map((row) => ({ ...row, receivedAt: row.receivedAt.toISOString() }))
}
