import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import type { Finding } from './finding.ts'
import type { Mended } from './repair.ts'

/**
 * Has an order told as placed that was never told of. One whose payment is known, and which says that it is not, was not:
 * what should have followed from that, follows. Null when it may have been: a message under another id would be
 * another `Idempotency-Key`, and its targets would act twice. It never was when it was found without a message when it
 * was minutes old, and nothing else knows of a message. Nor when there is a later one: this would be told after it; nor
 * when the person was forgotten: there is nobody to be told of.
 */
export async function placeAgain(tx: Tx, finding: Finding): Promise<Mended> {
  const message = (await placePaid(tx, finding)) ?? (await placeUntold(tx, finding))
  return message ? { action: 'order.placed-again', before: null, after: message.id } : null
}

type Message = { id: string }

async function placePaid(tx: Tx, { orderId }: Finding): Promise<Message | undefined> {
  await sql`
    select orderwheel.settle_order(o.id)
      from orderwheel.orders o join orderwheel.payments p on p.order_id = o.id
     where o.id = ${orderId}::uuid and o.forgotten_at is null and p.state in ('authorized', 'captured')
       and o.document #>> '{payment,status}' = 'pending'`.execute(tx)
  const { rows } = await sql<Message>`
    select id from orderwheel.outbox where order_id = ${orderId}::uuid and kind = 'order.placed'`.execute(
    tx,
  )
  return rows[0]
}

async function placeUntold(tx: Tx, { orderId }: Finding): Promise<Message | undefined> {
  const { rows } = await sql<Message>`
    insert into orderwheel.outbox (order_id, kind)
    select o.id, 'order.placed' from orderwheel.orders o
     where o.id = ${orderId}::uuid and o.forgotten_at is null
       and exists (select from orderwheel.verify_pending p where p.id = o.id and p.was_new)
       and not exists (select from orderwheel.verify_pending p where p.order_id = o.id and p.id <> o.id)
       and not exists (select from orderwheel.messages m where m.order_id = o.id)
       and not exists (select from orderwheel.outbox b where b.order_id = o.id)
       and not exists (select from orderwheel.deliveries d where d.order_id = o.id)
       and not exists (select from orderwheel.dead_letters l where l.order_id = o.id)
       and not exists (select from orderwheel.audit_log a where a.subject = o.id::text)
    returning id`.execute(tx)
  return rows[0]
}
