import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import { cancelledUncharged } from './charge.ts'
import { settleInTransaction, recordUnknown, settlePayment, type Asked } from './record-charge.ts'

/**
 * Takes back an order whose charge for certain never reached the gateway (`why`). False: the order stays. Somebody else has
 * asked the gateway meanwhile; or there is a message about it, which somebody was told is on disk: then it is declined if
 * it was cancelled, and the gateway asked again if not.
 */
export async function takeBackOrder(db: Db, asked: Asked, why: string): Promise<boolean> {
  return settleInTransaction(db, async (tx) => {
    // Whoever adds a message share-locks the order: it is either seen here, or finds no order.
    await sql`select from orderwheel.orders where id = ${asked.orderId} for update`.execute(tx)
    if (await remove(tx, asked)) return true
    if (await isCancelled(tx, asked)) {
      const settled = { kind: 'declined', reason: cancelledUncharged } as const
      await settlePayment(tx, { orderId: asked.orderId, settled })
    } else await recordUnknown(tx, asked, why)
    return false
  })
}

async function remove(tx: Tx, { orderId, attempt }: Asked): Promise<boolean> {
  const { rows } = await sql`
    with gone as (
      delete from orderwheel.payments p
       where order_id = ${orderId} and attempts = ${attempt} and state = 'pending'
         and not exists (select from orderwheel.outbox b where b.order_id = p.order_id)
         and not exists (select from orderwheel.messages m where m.order_id = p.order_id)
      returning order_id
    )
    delete from orderwheel.orders o using gone g where o.id = g.order_id returning o.id`.execute(tx)
  return rows.length > 0
}

async function isCancelled(tx: Tx, { orderId, attempt }: Asked): Promise<boolean> {
  const { rows } = await sql`
    select from orderwheel.payments p
     where order_id = ${orderId} and attempts = ${attempt} and state = 'pending'
       and exists (select from orderwheel.outbox b where b.order_id = p.order_id and b.kind = 'order.cancelled')`.execute(
    tx,
  )
  return rows.length > 0
}
