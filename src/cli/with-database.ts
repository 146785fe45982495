import pg from 'pg'

import { databaseOf, type Environment } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import { openDatabase, type Database } from '#database/open-database.ts'
import { sayUnavailable } from '#database/say-unavailable.ts'
import { migrationStatus } from '#database/schema-version.ts'
import { isTransient } from '#database/transient-error.ts'

/**
 * Runs a command's work on a migrated database. Throws `database` with a sentence when it cannot be
 * reached or is not migrated.
 */
export function withDatabase<T>(
  environment: Environment,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  return explainDatabaseErrors(() =>
    withConnections(environment, async (database) => {
      const pending = (await migrationStatus(database.db)).find(({ appliedAt }) => !appliedAt)
      if (!pending) return work(database)
      throw new OrderwheelError(
        'database',
        `This database lacks migration ${pending.name}: run "orderwheel migrate" first.`,
      )
    }),
  )
}

/** Opens connections for a command's work, whatever the database's state, and closes them. */
export async function withConnections<T>(
  environment: Environment,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const database = openDatabase({
    connection: databaseOf(environment),
    applicationName: 'orderwheel-cli',
    maxConnections: 2,
    // The statement that notices says so.
    onConnectionLost: () => {},
  })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** A connection that failed becomes a sentence. */
export async function explainDatabaseErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isTransient(error) && !wasRefused(error)) throw error
    const what = hasAnswered(error) ? 'did not let us in' : 'cannot be reached'
    throw new OrderwheelError(
      'database',
      `PostgreSQL ${what}: ${sayUnavailable(error)}. Is it running, and is DATABASE_URL right?`,
      { cause: error },
    )
  }
}

function hasAnswered(error: unknown): boolean {
  return error instanceof pg.DatabaseError
}

/** Class 28: wrong user or password; 3D: no such database; 42501: not allowed. */
function wasRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(28|3D|42501)/.test(String(error.code))
}
