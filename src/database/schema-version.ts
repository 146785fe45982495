import { setTimeout } from 'node:timers/promises'

import { sql } from 'kysely'

import type { Log } from '#base/log.ts'

import { readMigrations } from './migrate.ts'
import type { Db } from './open-database.ts'
import { sayUnavailable } from './say-unavailable.ts'
import { isTransient } from './transient-error.ts'

export type MigrationStatus = {
  name: string
  /** ISO 8601; null: not applied yet. */
  appliedAt: string | null
}[]

/** Every migration of this build, and those this database knows beyond them (from a newer build). */
export async function migrationStatus(db: Db): Promise<MigrationStatus> {
  const applied = await appliedMigrations(db)
  const names = new Set([...(await readMigrations()).map(({ name }) => name), ...applied.keys()])
  return [...names].sort().map((name) => ({ name, appliedAt: applied.get(name) ?? null }))
}

/** The last migration of this build: the schema version it needs. */
export async function latestMigration(): Promise<string> {
  return (await readMigrations()).at(-1)?.name ?? ''
}

/**
 * Resolves when the schema version this build needs is there: some platforms start processes before
 * they migrate. Says once why it waits. An unreachable server is waited for, too; rejects on `signal`.
 */
export async function waitForSchema(options: {
  db: Db
  log: Log
  signal: AbortSignal
}): Promise<void> {
  const latest = await latestMigration()
  let said = ''
  for (;;) {
    const reason = await whyNotReady(options.db, latest)
    if (reason === undefined) return
    if (reason !== said) options.log.warn({ migration: latest }, reason)
    said = reason
    await setTimeout(500, undefined, { signal: options.signal })
  }
}

/** Why this database cannot be worked with yet, as a sentence; undefined when it can. */
export async function whyNotReady(db: Db, latest: string): Promise<string | undefined> {
  try {
    if ((await appliedMigrations(db)).has(latest)) return undefined
    return `Waiting for migration ${latest}: run "orderwheel migrate" against this database.`
  } catch (error) {
    if (!isTransient(error)) throw error
    return `Waiting for PostgreSQL: ${sayUnavailable(error)}`
  }
}

async function appliedMigrations(db: Db): Promise<Map<string, string>> {
  try {
    const found = await sql<{ name: string; applied_at: Date }>`
      select name, applied_at from orderwheel.schema_migrations`.execute(db)
    return new Map(found.rows.map((row) => [row.name, row.applied_at.toISOString()]))
  } catch (error) {
    // Undefined schema or table: nothing was ever applied.
    if (error instanceof Error && 'code' in error && /^(3F000|42P01)$/.test(String(error.code)))
      return new Map()
    throw error
  }
}
