import { sql } from 'kysely'

import { type Place, placeAfter, placeOf } from '#database/list-place.ts'
import type { Db } from '#database/open-database.ts'

export type AuditRecord = {
  id: string
  at: Date
  who: string
  /** `target.paused`, `dead-letter.held` … */
  action: string
  subject: string
  reason: string | null
  details: unknown
}

/** Which records are meant; what is left out does not narrow. */
export type AuditSearch = {
  who?: string
  /** An action, or what the first part of several is: `target` means `target.paused`, too. */
  action?: string
  subject?: string
  since?: Date
  until?: Date
  /** 1 … 500. */
  limit: number
  /** A page's `next`. */
  after?: string
}

export type AuditPage = {
  records: AuditRecord[]
  /** Where the next page begins; null: this is the last. A page that looked long may be short, or empty, and have one. */
  next: string | null
}

// There is no index of who did what: a tenth of a second's worth of records.
const lookedAt = 50_000

/** A page of what people did, the newest first, of the next 50 000 records. Undefined: `after` is none. */
export async function readAudit(db: Db, search: AuditSearch): Promise<AuditPage | undefined> {
  const { limit, after } = search
  const place = after === undefined ? null : placeOf(after)
  if (place === undefined) return undefined
  const rows = await readPage(db, search, place)
  const records = rows.slice(0, limit).map(toRecord)
  const last = rows.length > limit ? rows[limit - 1] : await endOfLook(db, search, place)
  return { records, next: last ? placeAfter({ at: last.place, id: last.id }) : null }
}

type Row = AuditRecord & { place: string }

function toRecord({ id, at, who, action, subject, reason, details }: Row): AuditRecord {
  return { id, at, who, action, subject, reason, details }
}

async function readPage(db: Db, search: AuditSearch, place: Place | null): Promise<Row[]> {
  const { who, action, limit } = search
  const { rows } = await sql<Row>`
    select id, at, who, action, subject, reason, details, ${placeText} as place
      from (select * from orderwheel.audit_log where ${isInRange(search, place)}
             order by at desc, id desc limit ${lookedAt}) looked
     where ${who === undefined ? sql`true` : sql`who = ${who}`}
       and ${action === undefined ? sql`true` : sql`(action = ${action} or starts_with(action, ${`${action}.`}))`}
     order by at desc, id desc limit ${limit + 1}`.execute(db)
  return rows
}

/** The last record that was looked at, when there may be more. */
async function endOfLook(db: Db, search: AuditSearch, place: Place | null) {
  const { rows } = await sql<Pick<Row, 'id' | 'place'>>`
    select id, ${placeText} as place from orderwheel.audit_log where ${isInRange(search, place)}
     order by at desc, id desc offset ${lookedAt - 1} limit 1`.execute(db)
  return rows[0]
}

const placeText = sql<string>`to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

// By when, or by what and when: there is an index for each.
function isInRange({ subject, since, until }: AuditSearch, place: Place | null) {
  const conditions = [
    subject !== undefined && sql`subject = ${subject}`,
    since && sql`at >= ${since}`,
    until && sql`at < ${until}`,
    place && sql`(at, id) < (${place.at}::timestamptz, ${place.id}::uuid)`,
  ].filter((condition) => condition !== false && condition !== undefined && condition !== null)
  return conditions.length === 0 ? sql`true` : sql`${sql.join(conditions, sql` and `)}`
}
