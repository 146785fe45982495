import { sql } from 'kysely'

import { OrderwheelError } from '#base/errors.ts'
import type { Db } from '#database/open-database.ts'

import type { KeyDescription } from './list-keys.ts'
import { listKeys } from './list-keys.ts'

/**
 * Ends a key's validity: api processes that know it refuse it within seconds. `which` is its id, its
 * first characters or its name. Throws `not-found` when no valid key, or more than one, is meant.
 */
export async function revokeKey(
  db: Db,
  { which, who }: { which: string; who: string },
): Promise<KeyDescription> {
  const key = onlyOne(await listKeys(db), which)
  await db.transaction().execute(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('orderwheel.api_keys')
      .set({ revoked_at: sql<Date>`now()` })
      .where('id', '=', key.id)
      // Two people at once: one audit entry.
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return
    await tx
      .insertInto('orderwheel.audit_log')
      .values({
        who,
        action: 'key.revoked',
        subject: key.id,
        details: JSON.stringify({ name: key.name }),
      })
      .execute()
  })
  return key
}

function onlyOne(keys: KeyDescription[], which: string): KeyDescription {
  const meant = keys.filter(
    ({ id, name, start, revokedAt }) =>
      revokedAt === null && (id === which || name === which || which.startsWith(start)),
  )
  if (meant.length === 1 && meant[0]) return meant[0]
  throw new OrderwheelError(
    'not-found',
    meant.length === 0
      ? `There is no valid key "${which}": give an id, a name or a key's first characters from "orderwheel keys list".`
      : `"${which}" means ${meant.length} keys: give the id of one, from "orderwheel keys list".`,
  )
}
