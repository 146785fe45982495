import type { Db } from '#database/open-database.ts'

export type KeyDescription = {
  id: string
  name: string
  /** The key's first characters. */
  start: string
  scopes: string[]
  ratePerSecond: number
  createdAt: Date
  /** Null while it is valid. */
  revokedAt: Date | null
}

/** Every key ever made, oldest first. */
export async function listKeys(db: Db): Promise<KeyDescription[]> {
  const rows = await db.selectFrom('orderwheel.api_keys').selectAll().orderBy('id').execute()
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    start: row.key_start,
    scopes: row.scopes,
    ratePerSecond: row.rate_per_second,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  }))
}
