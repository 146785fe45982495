import pg from 'pg'

import type { TestDatabase } from './test-database.ts'

/** A session that looks to the server like one of a process's. */
export async function openDatabaseAs(
  connection: TestDatabase['connection'],
  application_name: string,
): Promise<{ close(): Promise<void> }> {
  const client = new pg.Client({ ...connection, application_name })
  await client.connect()
  return { close: () => client.end() }
}
