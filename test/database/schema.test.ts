import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { describeSchema } from '../support/describe-schema.ts'
import { testDatabase } from '../support/test-database.ts'

const written = readFileSync(new URL('../../migrations/schema.sql', import.meta.url), 'utf8')

test('migrations/schema.sql is the schema: run "npm run schema" and commit what it writes', async () => {
  const database = await testDatabase()
  try {
    expect(await describeSchema(database.pool)).toBe(written)
  } finally {
    await database.close()
  }
})

test('it leaves nothing out: a schema that is made from it is the same', async () => {
  const database = await testDatabase({ template: 'template0' })
  try {
    await database.pool.query(written)
    // In a table that is new, every check has been checked.
    expect(await describeSchema(database.pool)).toBe(written.replaceAll(' NOT VALID', ''))
  } finally {
    await database.close()
  }
})
