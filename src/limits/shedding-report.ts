import { sql } from 'kysely'

/** Whether a target sheds, for people. */
export type SheddingReport = {
  /** Deliveries that were ever shed. */
  shed: number
  /** Since when further deliveries are shed; null: they are told. */
  shedsSince: Date | null
  /** From how many open deliveries on they are; null: never. */
  maxOpen: number | null
}

/** SQL of those columns, of the row `s` of orderwheel.shedding, if there is one. */
export const sheddingColumns = sql`
  coalesce(s.shed, 0)::float8 as shed, s.max_open as "maxOpen",
  case when s.ended_at is null then s.began_at end as "shedsSince"`
