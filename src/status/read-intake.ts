import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Precision } from './read-status.ts'

export type Intake = {
  ordersLastMinute: number
  /** Counted up to 10 000. */
  precision: Precision
  /** When the newest order was received; null: there is none. */
  lastOrderAt: Date | null
}

/** How many orders come in. Their ids begin with their time, so that the last minute's are at the end of the index. */
export async function readIntake(db: Db): Promise<Intake> {
  const { rows } = await sql<{ orders: number; lastOrderAt: Date | null }>`
    select (select count(*)::int from (
              select from orderwheel.orders where id >= orderwheel.first_id(now() - interval '1 minute') limit 10001) o) as orders,
           (select received_at from orderwheel.orders order by id desc limit 1) as "lastOrderAt"`.execute(
    db,
  )
  const { orders = 0, lastOrderAt = null } = rows[0] ?? {}
  const isMore = orders > 10_000
  return {
    ordersLastMinute: isMore ? 10_000 : orders,
    precision: isMore ? 'at-least' : 'exact',
    lastOrderAt,
  }
}
