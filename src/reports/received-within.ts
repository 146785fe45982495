import { type RawBuilder, sql } from 'kysely'

/** Orders that were received at `from` or later, and before `to`. */
export type Period = { from: Date; to: Date }

/** Days of the longest period a report is about: a year, and its leap day. */
export const longestPeriodDays = 366

// Ids begin with the time of their order, by the clock of a moment before or, after a failover, of another server.
const apart = sql`interval '10 minutes'`

/** SQL that says that an order `o` was received in this period: found in the primary key, exact by `received_at`. */
export function receivedWithin({ from, to }: Period): RawBuilder<boolean> {
  return sql`(o.id >= ${firstId(sql`${from}::timestamptz - ${apart}`)} and o.id < ${firstId(sql`${to}::timestamptz + ${apart}`)}
    and o.received_at >= ${from} and o.received_at < ${to})`
}

// No id is from before 1970.
function firstId(at: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`orderwheel.first_id(greatest(${at}, 'epoch'))`
}
