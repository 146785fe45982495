import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { type AlertKind, alertKinds } from './alert-kinds.ts'

/** How many alerts of each kind are not over. */
export async function countOpenAlerts(db: Db): Promise<{ kind: AlertKind; open: number }[]> {
  const { rows } = await sql<{ kind: string; open: number }>`
    select kind, count(*)::int as open from orderwheel.alerts where resolved_at is null group by kind`.execute(
    db,
  )
  const open = new Map(rows.map((row) => [row.kind, row.open]))
  return alertKinds.map((kind) => ({ kind, open: open.get(kind) ?? 0 }))
}
