import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { isTheirs, type Person } from './person.ts'
import { sayForgetting } from './say-forgetting.ts'

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
  { table: 'forgettings', column: 'reason', kind: 'text' },
] as const

/**
 * What names a person wherever it stands: the address asked for, and of these orders of theirs the address, the
 * telephone number, and names, companies and streets of two words or more. No single word: buyers choose what they are
 * called, and who is called "erp" or "queued" must not take that from everybody else's records. Nothing that names a
 * row, a target, a kind or a state has a space in it, or is an address or a number.
 */
export async function readTexts(
  db: Db,
  person: Person,
  orderIds: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    select btrim(${person.email}) as text
    union
    select t from orderwheel.orders, orderwheel.personal_texts(document) t
     where id = any(${orderIds}::uuid[]) and ${isTheirs(person)}
       and (t ~ '\\w.*\\s.*\\w' or t = btrim(document #>> '{customer,email}')
            or t = document #>> '{customer,phone}' and length(t) >= ${shortestNumber})`.execute(db)
  return rows.map(({ text }) => text)
}

// A plus and seven digits: +12 is no number of anybody's.
const shortestNumber = 8

/**
 * Puts # for these texts wherever they are mentioned, and answers in how many rows. Reads those tables as a whole:
 * what people did and what is kept for days. A transaction each, none of which locks more than the rows it changes.
 */
export async function maskMentions(db: Db, texts: readonly string[]): Promise<number> {
  let masked = 0
  for (const { table, column, kind } of mentions) {
    const place = sql.ref(column)
    masked += await db.transaction().execute(async (tx) => {
      await sayForgetting(tx)
      const { numAffectedRows = 0n } = await sql`
        update ${sql.table(`orderwheel.${table}`)}
           set ${place} = ${masks[kind](column, texts)}
         where lower(${place}::text) like any(array(select lower(p) from unnest(${patterns(texts, kind)}::text[]) p))
           and ${place} is distinct from ${masks[kind](column, texts)}`.execute(tx)
      return Number(numAffectedRows)
    })
  }
  return masked
}

const masks = {
  text: (column: string, texts: readonly string[]) =>
    sql`orderwheel.without_texts(${sql.ref(column)}, ${texts}::text[])`,
  json: (column: string, texts: readonly string[]) =>
    sql`orderwheel.json_without_texts(${sql.ref(column)}, ${texts}::text[])`,
  // A client's key: the same key again is a new request, which is better than an address that stays.
  key: (column: string, texts: readonly string[]) =>
    sql`case when ${masks.text(column, texts)} <> ${sql.ref(column)}
             then 'forgotten-' || md5(${sql.ref(column)}) else ${sql.ref(column)} end`,
}

/** For `like`: a text as it stands in a text, or escaped in JSON. */
function patterns(texts: readonly string[], kind: keyof typeof masks): string[] {
  return texts
    .map((text) => (kind === 'json' ? JSON.stringify(text).slice(1, -1) : text))
    .map((text) => `%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`)
}
