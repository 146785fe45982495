import { sql } from 'kysely'

import { suggestName } from '#base/suggest-name.ts'
import type { Db } from '#database/open-database.ts'

/**
 * Says that there is no such target, as sayUnknownTarget does. Undefined: a process declared it once, or letters of it
 * are left, whatever the configuration says now.
 */
export async function findUnknownTarget(db: Db, written: string): Promise<string | undefined> {
  const { rows } = await sql<{ isKnown: boolean }>`
    select exists (select from orderwheel.targets where name = ${written})
           or exists (select from orderwheel.dead_letters
                       where target = ${written} and resolved_at is null)
           or exists (select from orderwheel.dead_letters
                       where target = ${written} and resolved_at is not null and held_at is null)
           as "isKnown"`.execute(db)
  return rows[0]?.isKnown ? undefined : sayUnknownTarget(db, written)
}

/** The sentence that says that there is no such target, and which may have been meant. */
export async function sayUnknownTarget(db: Db, written: string): Promise<string> {
  const targets = await db.selectFrom('orderwheel.targets').select('name').orderBy('name').execute()
  const names = targets.map(({ name }) => name)
  const meant =
    suggestName(written, names) ||
    (names.length === 0
      ? ': no worker or relay has started on this database yet'
      : `; there are ${names.join(', ')}`)
  return `There is no target "${written}"${meant}${meant.endsWith('?') ? '' : '.'}`
}
