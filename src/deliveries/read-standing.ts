import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'
import type { Standing } from '#targets/target.ts'

// The deliveries say what waits for what, and not the configuration, which may have changed since they were made.
/** How an order stands for a target that is told of this message. One statement, one snapshot. */
export async function readStanding(
  db: Db,
  { orderId, messageId, target }: { orderId: string; messageId: string; target: string },
): Promise<Standing> {
  const since = (column: string) => sinceOrders(column, [orderId])
  const { rows } = await sql<Standing>`
    with recursive later(target) as (
      select ${target}::text
       union
      select b.target from orderwheel.deliveries b join later on later.target = any(b.after)
       where b.message_id = ${messageId}::uuid and ${since('b.message_id')}
    )
    select exists (select from orderwheel.outbox where order_id = ${orderId}::uuid and kind = 'order.cancelled')
        or exists (select from orderwheel.messages where order_id = ${orderId}::uuid and kind = 'order.cancelled'
                                                     and ${since('id')}) as "isCancelled",
           (select coalesce(json_agg(json_build_object('target', b.target, 'state', b.state) order by b.target), '[]')
              from orderwheel.deliveries d
              join orderwheel.deliveries b on b.message_id = d.message_id and b.target = any(d.after)
             where d.message_id = ${messageId}::uuid and d.target = ${target} and b.state <> 'delivered'
               and ${since('d.message_id')} and ${since('b.message_id')}) as untold,
           (select coalesce(json_agg(json_build_object(
                     'target', b.target, 'state', b.state, 'hasFile', exists (
                       select from orderwheel.order_files f join orderwheel.messages m on m.id = f.message_id
                        where f.order_id = b.order_id and f.target = b.target and m.position >= b.position
                          and ${since('m.id')}),
                     'isAfterThis', exists (select from later where later.target = b.target)) order by b.target), '[]')
              from orderwheel.deliveries b
             where b.message_id = ${messageId}::uuid and b.target <> ${target} and ${since('b.message_id')}) as others,
           exists (select from orderwheel.dead_letters
                    where message_id = ${messageId}::uuid and target = ${target} and resolution = 'replayed') as "isReplayed",
           array(select m.kind
                   from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
                  where d.order_id = ${orderId}::uuid and d.target = ${target} and d.state = 'delivered'
                    and ${since('d.message_id')} and ${since('m.id')}
                  union -- what its history told, which is not kept any more
                 select 'order.placed' from orderwheel.payments
                  where order_id = ${orderId}::uuid and became = 'captured' and ${target} = ${paymentTargetName}) as told`.execute(
    db,
  )
  const [standing] = rows
  if (!standing) throw new Error(`Nobody knows how order ${orderId} stands.`)
  return standing
}
