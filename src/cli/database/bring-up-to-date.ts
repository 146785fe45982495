import { directDatabaseOf, type Environment } from '#base/environment.ts'
import type { Log } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { openDatabase } from '#database/open-database.ts'
import { installPgBoss } from '#queues/open-boss.ts'

/**
 * Our schema, then pg-boss's; answers our migrations that were applied. Past a pooler, whose connections
 * hold no session's lock, and without a time limit: an index on a large table takes as long as it takes.
 */
export async function bringUpToDate(environment: Environment, log: Log): Promise<string[]> {
  const connection = directDatabaseOf(environment)
  const applied = await migrateDatabase(connection, log)
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-migrate',
    maxConnections: 2,
    statementTimeoutMs: 0,
    // The statement that notices says so.
    onConnectionLost: () => {},
  })
  try {
    await installPgBoss(database.pool)
  } finally {
    await database.close()
  }
  return applied
}
