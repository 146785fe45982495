import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pg from 'pg'

import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { schemaFile } from '#doctor/read-schema.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'

import { describeForDoctor } from './describe-for-doctor.ts'
import { describeSchema } from './describe-schema.ts'

// npm run schema: writes migrations/schema.sql and schema.json from a server of its own.
const folder = await mkdtemp(join(tmpdir(), 'orderwheel-schema-'))
// As root the server runs as another user, who has to get in here.
await chmod(folder, 0o755)
const server = await startEmbeddedPostgres({
  dataDirectory: join(folder, 'postgres'),
  settings: { fsync: 'off' },
})
const pool = new pg.Pool(server.connection)
// A session that is ending when the server stops.
pool.on('error', () => {})
try {
  await migrateDatabase(server.connection, createLog('schema', 'silent'))
  const file = new URL('../../migrations/schema.sql', import.meta.url)
  await writeFile(file, await describeSchema(pool))
  await writeFile(schemaFile, await describeForDoctor(server.connection))
} finally {
  await pool.end()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
}
