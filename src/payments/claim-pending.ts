import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { ToCharge } from './charge.ts'

/** Whether the gateway has to be asked about any payment again. */
export async function hasPending(db: Db): Promise<boolean> {
  const { rows } = await sql<{ due: boolean }>`
    select exists (select from orderwheel.payments where state = 'pending' and try_after <= now()) as due`.execute(
    db,
  )
  return rows[0]?.due ?? false
}

/**
 * Takes payments of which nobody knows what became, those due the longest first, for so many seconds: several relays
 * share them, and what one takes and does not finish is another's after that.
 */
export async function claimPending(
  db: Db,
  { limit, seconds }: { limit: number; seconds: number },
): Promise<ToCharge[]> {
  const { rows } = await sql<Omit<ToCharge, 'receivedAt'> & { receivedAt: Date }>`
    update orderwheel.payments p
       set attempts = p.attempts + 1, claimed_until = now() + make_interval(secs => ${seconds}),
           try_after = now() + make_interval(secs => ${seconds})
      from orderwheel.orders o
     where o.id = p.order_id
       and p.order_id in (
         select order_id from orderwheel.payments
          where state = 'pending' and try_after <= now()
          order by try_after limit ${limit}
            for update skip locked)
    returning p.order_id as "orderId", p.token, p.mode, p.attempts as attempt, o.document as "order",
              o.received_at as "receivedAt"`.execute(db)
  return rows.map((row) => ({ ...row, receivedAt: row.receivedAt.toISOString() }))
}
