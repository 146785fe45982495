import type { Db } from '#database/open-database.ts'

export type OpenAlert = { kind: string; subject: string; text: string; raisedAt: Date }

// There is one for each kind and target: a shop has tens of targets.
const most = 100

/** The alerts that are not over, the newest first; at most 100. */
export async function readOpenAlerts(db: Db): Promise<OpenAlert[]> {
  return db
    .selectFrom('orderwheel.alerts')
    .select(['kind', 'subject', 'text', 'raised_at as raisedAt'])
    .where('resolved_at', 'is', null)
    .orderBy('raised_at', 'desc')
    .limit(most)
    .execute()
}
