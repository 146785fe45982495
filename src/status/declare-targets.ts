import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { declareDroppable } from '#limits/declare-droppable.ts'
import { closeUnheeded } from '#limits/close-unheeded.ts'
import type { Target } from '#targets/target.ts'

/**
 * Records the targets of the configuration, so that what is waiting for each can be shown, and their limits,
 * which all workers share. Never removes one, and leaves alone what an operator set. Closes the circuits of
 * those that have none any more. What is not droppable any more sheds no more.
 */
export async function declareTargets(
  db: Db,
  targets: readonly Pick<
    Target,
    | 'name'
    | 'kind'
    | 'concurrency'
    | 'priority'
    | 'rate'
    | 'circuit'
    | 'address'
    | 'keepLettersDays'
    | 'droppable'
  >[],
): Promise<void> {
  if (targets.length === 0) return
  await db
    .insertInto('orderwheel.targets')
    // In one order for everybody: processes that start together must not lock each other's rows crosswise.
    .values(
      targets
        .map(({ name, kind, concurrency, priority, rate, address, keepLettersDays }) => ({
          name,
          kind,
          concurrency,
          priority,
          rate_max: rate?.max ?? null,
          rate_per_seconds: rate?.perSeconds ?? null,
          address: address?.slice(0, 500) ?? null,
          keep_letters_days: keepLettersDays,
        }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    )
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((excluded) => ({
        kind: excluded.ref('excluded.kind'),
        concurrency: excluded.ref('excluded.concurrency'),
        priority: excluded.ref('excluded.priority'),
        rate_max: excluded.ref('excluded.rate_max'),
        rate_per_seconds: excluded.ref('excluded.rate_per_seconds'),
        address: excluded.ref('excluded.address'),
        keep_letters_days: excluded.ref('excluded.keep_letters_days'),
        declared_at: sql<Date>`now()`,
      })),
    )
    .execute()
  await declareDroppable(db, targets)
  const without = targets.filter(({ circuit }) => circuit === null)
  await closeUnheeded(
    db,
    without.map(({ name }) => name),
  )
}
