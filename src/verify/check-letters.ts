import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Finding } from './finding.ts'

/**
 * Dead letters that are open although their delivery is not dead, nor shed and listed to be told after all; the first
 * 10 000.
 */
export async function checkLetters(db: Db): Promise<Finding[]> {
  const { rows } = await sql<Finding>`
    select 'letter-without-death' as kind, l.order_id as "orderId", l.message_id as "messageId", l.target,
           to_json(min(l.died_at)) as since
      from orderwheel.dead_letters l
      left join orderwheel.deliveries d on d.message_id = l.message_id and d.target = l.target
     where l.resolved_at is null and (d.state in ('dead', 'shed')) is not true
     group by l.order_id, l.message_id, l.target
     limit 10000`.execute(db)
  return rows
}
