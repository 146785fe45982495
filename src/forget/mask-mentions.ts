import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { isTheirs, type Person } from './person.ts'

/** Where somebody may have written a name into what belongs to no order. `json`: into the values in it. */
export const mentions = [
  { table: 'audit_log', column: 'reason', kind: 'text' },
  { table: 'audit_log', column: 'details', kind: 'json' },
  { table: 'target_changes', column: 'reason', kind: 'text' },
  { table: 'targets', column: 'circuit_reason', kind: 'text' },
  { table: 'targets', column: 'pause_reason', kind: 'text' },
  { table: 'replays', column: 'reason', kind: 'text' },
  { table: 'replays', column: 'filter', kind: 'json' },
  { table: 'replay_items', column: 'result', kind: 'text' },
  { table: 'idempotency_keys', column: 'answer', kind: 'json' },
  { table: 'idempotency_keys', column: 'idempotency_key', kind: 'key' },
  { table: 'alerts', column: 'text', kind: 'text' },
  { table: 'alerts', column: 'failure', kind: 'text' },
  { table: 'verifications', column: 'failure', kind: 'text' },
  { table: 'verifications', column: 'findings', kind: 'json' },
  { table: 'forgettings', column: 'reason', kind: 'text' },
] as const

/** What names a person: the address asked for, and names, streets and numbers of these orders of theirs. */
export async function readTexts(
  db: Db,
  person: Person,
  orderIds: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    select btrim(${person.email}) as text
    union
    select orderwheel.personal_texts(document) from orderwheel.orders
     where id = any(${orderIds}::uuid[]) and ${isTheirs(person)}`.execute(db)
  return rows.map(({ text }) => text)
}

/**
 * Puts # for these texts wherever they are mentioned, and answers in how many rows. Reads those tables as a whole:
 * what people did and what is kept for days. A statement each, none of which locks more than the rows it changes.
 */
export async function maskMentions(db: Db, texts: readonly string[]): Promise<number> {
  let masked = 0
  for (const { table, column, kind } of mentions) {
    const place = sql.ref(column)
    const { numAffectedRows = 0n } = await sql`
      update ${sql.table(`orderwheel.${table}`)}
         set ${place} = ${masks[kind](column, texts)}
       where lower(${place}::text) like any(array(select lower(p) from unnest(${patterns(texts, kind)}::text[]) p))
         and ${place} is distinct from ${masks[kind](column, texts)}`.execute(db)
    masked += Number(numAffectedRows)
  }
  return masked
}

const masks = {
  text: (column: string, texts: readonly string[]) =>
    sql`orderwheel.without_texts(${sql.ref(column)}, ${texts}::text[])`,
  json: (column: string, texts: readonly string[]) =>
    sql`orderwheel.json_without_texts(${sql.ref(column)}, ${texts}::text[])`,
  // A client's key: the same key again is a new request, which is better than a name that stays.
  key: (column: string) => sql`'forgotten-' || md5(${sql.ref(column)})`,
}

/** For `like`: a text as it stands in a text, or escaped in JSON. */
function patterns(texts: readonly string[], kind: keyof typeof masks): string[] {
  return texts
    .map((text) => (kind === 'json' ? JSON.stringify(text).slice(1, -1) : text))
    .map((text) => `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`)
}
