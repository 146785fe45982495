import { type RawBuilder, sql } from 'kysely'

import { sayShed } from '#messages/say-shed.ts'

/** Which dead letters are meant; what is left out does not narrow. Times as the database reads them. */
export type LetterFilter = {
  /** At most 1 000. */
  ids?: readonly string[]
  target?: string
  /** See dead_letter_groups. */
  groupId?: string
  /** Part of the reason, in any case. At most 200 characters. */
  error?: string
  /** Died at this time or later. */
  since?: Date
  /** Died before this time. */
  until?: Date
  orderId?: string
  /** Of deliveries that were shed: they get their letters when they are to be replayed. */
  shed?: true
}

/** SQL that says of a dead letter `l` that it is meant. */
export function isMeant(filter: LetterFilter): RawBuilder<boolean> {
  const { ids, target, groupId, error, since, until, orderId, shed } = filter
  const conditions = [
    ids && sql`l.id = any(${ids}::uuid[])`,
    target !== undefined && sql`l.target = ${target}`,
    groupId !== undefined && sql`l.group_id = ${groupId}`,
    error !== undefined && sql`position(lower(${error}) in lower(l.reason)) > 0`,
    since && sql`l.died_at >= ${since}`,
    until && sql`l.died_at < ${until}`,
    orderId !== undefined && sql`l.order_id = ${orderId}::uuid`,
    shed && sql`l.reason = ${sayShed}`,
  ].filter((condition) => condition !== false && condition !== undefined)
  return conditions.length === 0 ? sql`true` : sql`(${sql.join(conditions, sql` and `)})`
}
