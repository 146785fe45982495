import { readFileSync } from 'node:fs'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { schemaFile } from '#doctor/read-schema.ts'

import { describeForDoctor } from '../support/describe-for-doctor.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(() => database.close())

test('migrations/schema.json is the schema: run "npm run schema" and commit what it writes', async () => {
  expect(await describeForDoctor(database.connection)).toBe(readFileSync(schemaFile, 'utf8'))
})
