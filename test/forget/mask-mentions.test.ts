import { afterAll, beforeAll, expect, test } from 'vitest'

import { maskMentions } from '#forget/mask-mentions.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

test('names are found as they are written, whatever they mean to a search, and only as whole words', async () => {
  const texts = ['A+B (50%) "GmbH"\\', 'Zoë_Ñandú', '.*', 'Max']
  const said = [
    'ask a+b (50%) "gmbh"\\ about it',
    'ZOË_ÑANDÚ, Zoë',
    'anything at all',
    'max, Maximilian, maximum',
    'regular .* text',
  ]
  await database.pool.query(
    `insert into orderwheel.audit_log (who, action, subject, reason, details)
     select 'eva', 'x', n::text, said, jsonb_build_object('max', array[said], 'n', n)
       from unnest($1::text[]) with ordinality as s(said, n)`,
    [said],
  )

  // In the reason and in the details.
  expect(await maskMentions(database.db, texts)).toBe(8)

  const { rows } = await database.pool.query<{ reason: string; details: unknown }>(
    'select reason, details from orderwheel.audit_log order by subject',
  )
  const left = [
    'ask # about it',
    '#, Zoë',
    'anything at all',
    '#, Maximilian, maximum',
    'regular # text',
  ]
  expect(rows.map(({ reason }) => reason)).toEqual(left)
  expect(rows.map(({ details }) => details)).toEqual(
    left.map((text, n) => ({ max: [text], n: n + 1 })),
  )
  expect(await maskMentions(database.db, texts)).toBe(0)
})
