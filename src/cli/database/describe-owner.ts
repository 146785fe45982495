import { printable } from '#base/printable.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import type { Installation, OwnerReport } from '#owner/read-owner.ts'

/** Whose database this is, beside what it is, and what follows from it. */
export function describeOwner({ owner, here, reason }: OwnerReport): string {
  const rows = owner
    ? [['', 'owner', 'here'], ...compare(owner, here)]
    : [['', 'here'], ...compare(here).map(([what, value]) => [what ?? '', value ?? ''])]
  const since = owner ? [`Owned since ${formatTime(owner.since)}, by ${printable(owner.by)}.`] : []
  return [formatTable(rows), '', ...since, printable(reason)].join('\n')
}

function compare(...installations: readonly Installation[]): string[][] {
  const row = (what: string, value: (one: Installation) => string) => [
    what,
    ...installations.map(value),
  ]
  return [
    row('environment', ({ environment }) => environment ?? '(no name)'),
    row('database', ({ databaseName, databaseOid }) => `${databaseName} (oid ${databaseOid})`),
    row('cluster', ({ systemIdentifier }) => systemIdentifier ?? '(does not tell)'),
  ]
}
