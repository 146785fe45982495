import { type RawBuilder, sql } from 'kysely'

/** Rows looked at together: those whose id lies in a range, or those of a list. */
export type Chunk = { after: string; upTo: string } | { ids: readonly string[] }

/** Before every id, and behind every id. */
export const firstId = '00000000-0000-0000-0000-000000000000'
export const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The CTEs that `within` needs before it, with a comma behind them. A list is sent once, however often it is used. */
export function wanted(chunk: Chunk): RawBuilder<unknown> {
  if (!('ids' in chunk)) return sql``
  return sql`wanted as materialized (select unnest(${chunk.ids}::uuid[]) as id),`
}

/** SQL that says of a row that it belongs to a chunk, by its column of ids: a piece of an index, in either form. */
export function within(column: string, chunk: Chunk): RawBuilder<boolean> {
  const id = sql.ref(column)
  if ('ids' in chunk) return sql`${id} = any(array(select id from wanted))`
  return sql`${id} > ${chunk.after}::uuid and ${id} <= ${chunk.upTo}::uuid`
}

/** SQL for the first id that uuidv7() could have given at a time; null for null. */
export function idAt(time: RawBuilder<unknown>): RawBuilder<string> {
  return sql`(lpad(to_hex(floor(extract(epoch from ${time}) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid`
}
