import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Entry } from './entry.ts'

/** An entry beside what it is about, as that is now. */
export type EntryBeside = Entry & {
  /** When the record was entered first. */
  doneAt: Date | null
  /** A later entry says what forgetting left of the same record. */
  isMaskedLater: boolean
  /** What the last of those says of what forgetting never changes. */
  keptLater: string | null
  /** The row of audit_log; null: it is not there. */
  row: (string | null)[] | null
  /** Of the row, for what forgetting never changes. */
  keptSalt: string | null
  /** Whether the order is there. */
  hasOrder: boolean
  hasSalt: boolean
  isForgottenLater: boolean
  /** Whether the order says that it was forgotten. */
  isForgotten: boolean
  /** Whether the order has the number, total and currency that the entry says it had. */
  isAsTold: boolean
  /** Of the order, with the salt if there is one. */
  documentDigest: string | null
  /** Of the message; null: it is not there, or the salt is not. */
  payloadDigest: string | null
  /** When the order was made, by its id. */
  orderMadeAt: Date | null
}

/**
 * So many entries after a position, up to another one. Of orders and messages the digest is made where they are: they may
 * be large. One statement: an entry and what it is about are seen at one moment.
 */
export async function readEntries(
  db: Db,
  { after, until, limit }: { after: number; until: number; limit: number },
): Promise<EntryBeside[]> {
  const { rows } = await sql<EntryBeside>`
    with entry as materialized (
      select * from orderwheel.audit_chain
       where position > ${after} and position <= ${until}
       order by position limit ${limit}
    )
    select c.position::text, ${timeText('c.at')} as at, c.kind, c.record::text, c.details::text as details,
           encode(c.digest, 'hex') as digest, encode(c.previous, 'hex') as previous, encode(c.hash, 'hex') as hash,
           case c.kind when 'masked' then (select f.at from orderwheel.audit_chain f
                                            where f.record = c.record and f.kind = 'action' order by f.position limit 1)
                       else c.at end as "doneAt",
           c.kind in ('action', 'masked') and ${hasLater('masked')} as "isMaskedLater",
           (select l.details ->> 'kept' from orderwheel.audit_chain l
             where l.record = c.record and l.position > c.position and l.kind = 'masked'
             order by l.position desc limit 1) as "keptLater",
           c.kind = 'told' and ${hasLater('forgotten')} as "isForgottenLater",
           a.row, a.kept_salt as "keptSalt", o.id is not null as "hasOrder", s.salt is not null as "hasSalt",
           coalesce(o.is_forgotten, false) as "isForgotten",
           (o.external_id, o.total, o.currency)
             is not distinct from (c.details ->> 'externalId', c.details -> 'total', c.details -> 'currency') as "isAsTold",
           ${digestInPlace('o.document')} as "documentDigest",
           case when s.salt is not null and m.payload is not null then ${digestInPlace('m.payload')} end as "payloadDigest",
           uuid_extract_timestamp(c.record) as "orderMadeAt"
      from entry c
      left join lateral (
             select array[salt::text, id::text, ${timeText('at')}, who, action, subject, reason, details::text] as row,
                    kept_salt::text
               from orderwheel.audit_log where id = c.record and c.kind in ('action', 'masked') offset 0) a on true
      left join lateral (
             select id, document::text as document, external_id, document #> '{totals,total}' as total,
                    document -> 'currency' as currency, forgotten_at is not null as is_forgotten
               from orderwheel.orders where id = c.record and c.kind in ('told', 'forgotten') offset 0) o on true
      left join lateral (
             select salt::text as salt from orderwheel.audit_salts where position = c.position offset 0) s on true
      left join lateral (
             select payload::text as payload from orderwheel.messages
              where c.kind = 'told' and id = ${validMessage} offset 0) m on true
     order by c.position`.execute(db)
  return rows
}

function timeText(column: string) {
  return sql`to_char(${sql.ref(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

function hasLater(kind: string) {
  return sql`exists (select from orderwheel.audit_chain l
                      where l.record = c.record and l.position > c.position and l.kind = ${kind})`
}

function digestInPlace(column: string) {
  const text = sql.ref(column)
  return sql`encode(sha256(convert_to(
    coalesce(octet_length(s.salt) || ':' || s.salt || ',', '-,')
    || octet_length(convert_to(${text}, 'UTF8')) || ':' || ${text} || ',', 'UTF8')), 'hex')`
}

// An entry that somebody changed may say anything.
const validMessage = sql`case when pg_input_is_valid(c.details ->> 'message', 'uuid') then (c.details ->> 'message')::uuid end`
