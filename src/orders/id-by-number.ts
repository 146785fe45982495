import { type RawBuilder, sql } from 'kysely'

/** SQL for the id of the order with a number; without one, of the last that gave it up when it was declined, or null. */
export function idByNumber(externalId: string): RawBuilder<string | null> {
  return sql`coalesce(
           (select id from orderwheel.orders where external_id = ${externalId}),
           (select order_id from orderwheel.payments
             where external_id = ${externalId} and state = 'declined'
             order by order_id desc limit 1))`
}
