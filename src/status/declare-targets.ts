import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** Records the targets of the configuration, so that what is waiting for each can be shown. Never removes one. */
export async function declareTargets(
  db: Db,
  targets: readonly { name: string; kind: string; concurrency: number }[],
): Promise<void> {
  if (targets.length === 0) return
  await db
    .insertInto('orderwheel.targets')
    // In one order for everybody: processes that start together must not lock each other's rows crosswise.
    .values(
      targets
        .map(({ name, kind, concurrency }) => ({ name, kind, concurrency }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    )
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((excluded) => ({
        kind: excluded.ref('excluded.kind'),
        concurrency: excluded.ref('excluded.concurrency'),
        declared_at: sql<Date>`now()`,
      })),
    )
    .execute()
}
