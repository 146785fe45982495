import { type RawBuilder, sql } from 'kysely'

import { placeAfter, type Place, placeOf } from '#database/list-place.ts'
import type { Db } from '#database/open-database.ts'

import { isMeant, type LetterFilter } from './letter-filter.ts'
import { type LetterRow, type LetterSummary, summaryOf } from './letter-summary.ts'

/** open: nobody has decided · closed: replayed or discarded · all. */
export const letterStates = ['open', 'closed', 'all'] as const

export type LetterState = (typeof letterStates)[number]

export type LetterPage = {
  letters: LetterSummary[]
  /** Where the next page begins; null: this is the last. */
  next: string | null
}

/**
 * A page of dead letters, the newest first: by when they died, closed ones by when they were closed. `limit` is
 * 1 … 500, `after` a page's `next`. Undefined: `after` is none.
 */
export async function listLetters(
  db: Db,
  wanted: { filter: LetterFilter; state: LetterState; limit: number; after?: string },
): Promise<LetterPage | undefined> {
  const place = wanted.after === undefined ? null : placeOf(wanted.after)
  if (place === undefined) return undefined
  const rows = await readPage(db, { ...wanted, place })
  const letters = rows.slice(0, wanted.limit)
  const last = rows.length > wanted.limit ? letters.at(-1) : undefined
  return {
    letters: letters.map(summaryOf),
    next: last ? placeAfter({ at: last.place, id: last.id }) : null,
  }
}

type Row = LetterRow & { place: string }

// Of each letter only what an index or its row says: `attempts` may be a hundred kilobytes. Its delivery and message
// may be gone with their month of history.
async function readPage(
  db: Db,
  wanted: { filter: LetterFilter; state: LetterState; limit: number; place: Place | null },
): Promise<Row[]> {
  const { state, limit } = wanted
  const { lead, rest } = leadOf(wanted)
  const at = sql.ref(state === 'closed' ? 'l.resolved_at' : 'l.died_at')
  const { rows } = await sql<Row>`
    select l.*, o.external_id as "externalId", m.kind,
           coalesce(d.attempts, (select jsonb_array_length(attempts) from orderwheel.dead_letters where id = l.id)) as attempts
      from (
        select l.id, l.target, l.group_id as "groupId", l.order_id as "orderId", l.message_id as "messageId",
               l.reason, l.status, l.code, l.died_at as "diedAt", l.resolution, l.resolved_at as "resolvedAt",
               l.resolved_by as "resolvedBy", l.comment, l.replay_id as "replayId",
               l.held_at as "heldAt", l.held_by as "heldBy", l.hold_reason as "holdReason",
               to_char(${at} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as place
          from orderwheel.dead_letters l
         where ${isInState(state)} and ${isMeant(rest)} and ${isBelow({ ...wanted, lead, at })}
         order by ${lead ? sql`${lead.column} desc,` : sql``} ${at} desc, l.id desc
         limit ${limit + 1}
      ) l
      left join orderwheel.deliveries d on d.message_id = l."messageId" and d.target = l.target
      left join orderwheel.messages m on m.id = l."messageId"
      left join orderwheel.orders o on o.id = l."orderId"
     order by l.place desc, l.id desc`.execute(db)
  return rows
}

type Lead = { column: RawBuilder<unknown>; value: string }

// The index to read in order is the one that leads with what is asked for. Left to choose, PostgreSQL may read all
// letters from the newest on, in the hope that those of a target that died last month are spread among them.
function leadOf({ filter, state }: { filter: LetterFilter; state: LetterState }): {
  lead?: Lead
  rest: LetterFilter
} {
  const { groupId, target, ...rest } = filter
  if (groupId !== undefined && state !== 'all') {
    const lead = { column: sql.ref('l.group_id'), value: groupId }
    return { lead, rest: { ...rest, ...(target === undefined ? {} : { target }) } }
  }
  if (target !== undefined && groupId === undefined && state === 'open')
    return { lead: { column: sql.ref('l.target'), value: target }, rest }
  return { rest: filter }
}

// Not `=`: what is known to be one value is no order to read in.
function isBelow({
  lead,
  at,
  place,
}: {
  lead?: Lead | undefined
  at: RawBuilder<unknown>
  place: Place | null
}) {
  const below = place ? sql`${place.at}::timestamptz, ${place.id}::uuid` : undefined
  if (!lead) return below ? sql`(${at}, l.id) < (${below})` : sql`true`
  const { column, value } = lead
  const end = below
    ? sql`(${column}, ${at}, l.id) < (${value}, ${below})`
    : sql`${column} <= ${value}`
  return sql`${column} >= ${value} and ${end}`
}

/** SQL that says of a dead letter `l` that it is in this state. */
export function isInState(state: LetterState) {
  switch (state) {
    case 'open':
      return sql<boolean>`l.resolved_at is null`
    case 'closed':
      return sql<boolean>`l.resolved_at is not null`
    case 'all':
      return sql<boolean>`true`
    default:
      return state satisfies never
  }
}
