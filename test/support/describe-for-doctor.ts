import type pg from 'pg'

import { openDatabase } from '#database/open-database.ts'
import { readSchema } from '#doctor/read-schema.ts'

/** What the doctor compares a database with, as migrations/schema.json holds it. */
export async function describeForDoctor(connection: pg.ClientConfig): Promise<string> {
  const database = openDatabase({
    connection,
    applicationName: 'orderwheel-schema',
    maxConnections: 1,
    onConnectionLost: () => {},
  })
  try {
    return `${JSON.stringify(await readSchema(database.db), null, 2)}\n`
  } finally {
    await database.close()
  }
}
