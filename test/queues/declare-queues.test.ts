import { expect, test } from 'vitest'

import { commonOptions } from '#targets/target-options.ts'

import { openTestShop, testTarget } from '../support/test-shop.ts'

test('a job outlives the deadline of its call, down to the shortest and up to the longest there may be', async () => {
  // The type forgets what the schema knows.
  const { minimum, maximum } = commonOptions.timeoutSeconds as unknown as Record<string, number>
  const timeouts: Record<string, number> = {
    shortest: minimum ?? 0,
    usual: 30,
    longest: maximum ?? 0,
  }
  const targets = Object.entries(timeouts).map(([name, timeoutSeconds]) =>
    testTarget(name, { timeoutSeconds }),
  )
  const shop = await openTestShop(targets)
  try {
    const { rows } = await shop.pool.query<{ name: string; expireSeconds: number }>(
      `select name, expire_seconds as "expireSeconds" from pgboss.queue where name = any($1)`,
      [Object.keys(timeouts)],
    )

    expect(timeouts['longest']).toBe(3_600)
    expect(rows).toHaveLength(3)
    for (const { name, expireSeconds } of rows)
      // Enough for what came of the call to be written down when the database was away for a while.
      expect(expireSeconds).toBeGreaterThanOrEqual((timeouts[name] ?? 0) + 60)
  } finally {
    await shop.close()
  }
})
