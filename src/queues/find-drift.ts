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
export function findPgBossDrift(pool: pg.Pool): Promise<SchemaDriftReport> {
  return unstarted(pool).detectSchemaDrift()
}

function unstarted(pool: pg.Pool): PgBoss {
  return new PgBoss({
    db: { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) },
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
