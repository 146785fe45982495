import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

import { PgBoss, type SchemaDriftReport } from 'pg-boss'
import type pg from 'pg'

/** pg-boss's schema version: what the installed package needs, and what the database has (null: nothing). */
export type PgBossVersion = { wanted: number; found: number | null }

export async function readPgBossVersion(pool: pg.Pool): Promise<PgBossVersion> {
  const boss = unstarted(pool)
  const wanted = await wantedVersion()
  return { wanted, found: (await boss.isInstalled()) ? await boss.schemaVersion() : null }
}

/** What pg-boss's schema lacks or has otherwise than the installed pg-boss makes it. Only looks. */
export async function findPgBossDrift(pool: pg.Pool): Promise<SchemaDriftReport> {
  const client = await pool.connect()
  try {
    await client.query('begin read only')
    // PostgreSQL leaves out the schema of whatever the role's own search_path finds.
    await client.query('set local search_path = pg_catalog')
    return await unstarted(client).detectSchemaDrift()
  } finally {
    await client.query('rollback').finally(() => client.release())
  }
}

function unstarted(connection: Pick<pg.ClientBase, 'query'>): PgBoss {
  return new PgBoss({
    db: { executeSql: (text: string, values?: unknown[]) => connection.query(text, values) },
    migrate: false,
    createSchema: false,
    schedule: false,
    supervise: false,
  })
}

async function wantedVersion(): Promise<number> {
  const file = createRequire(import.meta.url).resolve('pg-boss/package.json')
  const { pgboss } = JSON.parse(await readFile(file, 'utf8')) as { pgboss: { schema: number } }
  return pgboss.schema
}
