import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/** When pg-boss will run these deliveries' jobs again, by `<target>:<messageId>`; absent when it will not. */
export async function nextAttempts(
  db: Db,
  deliveries: readonly { target: string; messageId: string }[],
): Promise<Map<string, Date>> {
  if (deliveries.length === 0) return new Map()
  const { rows } = await sql<{ name: string; id: string; start_after: Date }>`
    select j.name, j.id, j.start_after
      from unnest(${deliveries.map((d) => d.target)}::text[], ${deliveries.map((d) => d.messageId)}::uuid[]) as d(target, id)
      join pgboss.job j on j.name = d.target and j.id = d.id
     where j.state < 'active'`.execute(db)
  return new Map(rows.map((row) => [`${row.name}:${row.id}`, row.start_after]))
}
