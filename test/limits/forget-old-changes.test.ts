import { expect, test } from 'vitest'

import { forgetOldChanges } from '#limits/forget-old-changes.ts'
import { readChanges } from '#limits/read-changes.ts'

import { testDatabase } from '../support/test-database.ts'

test('what happened to a target is forgotten after 90 days, bit by bit', async () => {
  await using stack = new AsyncDisposableStack()
  const database = await testDatabase()
  stack.defer(() => database.close())
  await database.pool.query(
    `insert into orderwheel.target_changes (target, at, change, reason, who)
     select 'erp', now() - make_interval(days => case when n <= 5010 then 91 else 89 end), 'paused', n, 'eva'
       from generate_series(1, 5020) as n`,
  )

  expect(await forgetOldChanges(database.db, 90)).toBe(5_000)
  expect(await forgetOldChanges(database.db, 90)).toBe(10)
  expect(await forgetOldChanges(database.db, 90)).toBe(0)
  expect(await readChanges(database.db, 'erp')).toHaveLength(10)
})
