import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { AlertSubject } from './alert-kinds.ts'

/**
 * Raises an alert, unless it is open: then only its words are brought up to date, and nobody is told again. `text`: a
 * sentence or two with nothing secret or personal in them, and what to do. In a transaction it is raised with it.
 */
export async function raiseAlert(
  db: Db,
  { kind, subject = '', text }: AlertSubject & { text: string },
): Promise<void> {
  await sql`
    insert into orderwheel.alerts as a (kind, subject, text)
    values (${kind}, ${subject}, ${text.slice(0, 2_000)})
    on conflict (kind, subject) where resolved_at is null
    do update set text = excluded.text where a.text <> excluded.text`.execute(db)
}
