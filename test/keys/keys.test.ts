import { createHash } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { createKey } from '#keys/create-key.ts'
import { developmentKeys, storeDevelopmentKeys } from '#keys/development-keys.ts'
import { listKeys } from '#keys/list-keys.ts'
import { revokeKey } from '#keys/revoke-key.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

test('a key is shown once: the database keeps only its hash', async () => {
  const { id, key } = await createKey(database.db, {
    name: 'web shop',
    scopes: ['orders:write'],
    who: 'ada',
  })

  expect(key).toMatch(/^ow_live_[A-Za-z0-9_-]{43}$/)
  const stored = await database.db
    .selectFrom('orderwheel.api_keys')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  expect(stored.key_hash).toEqual(createHash('sha256').update(key).digest())
  expect(JSON.stringify(stored)).not.toContain(key)
  expect(stored.rate_per_second).toBe(2_000)
})

test('who made and who revoked a key is on record', async () => {
  const { id } = await createKey(database.db, {
    name: 'old shop',
    scopes: ['orders:write', 'orders:read'],
    ratePerSecond: 10,
    who: 'ada',
  })
  await revokeKey(database.db, { which: 'old shop', who: 'grace' })

  const log = await database.db
    .selectFrom('orderwheel.audit_log')
    .select(['who', 'action', 'details'])
    .where('subject', '=', id)
    .orderBy('id')
    .execute()
  expect(log).toEqual([
    {
      who: 'ada',
      action: 'key.created',
      details: { name: 'old shop', scopes: ['orders:write', 'orders:read'] },
    },
    { who: 'grace', action: 'key.revoked', details: { name: 'old shop' } },
  ])
  const key = (await listKeys(database.db)).find((candidate) => candidate.id === id)
  expect(key).toMatchObject({ ratePerSecond: 10, revokedAt: expect.any(Date) })
})

test('a key that nobody knows cannot be revoked', async () => {
  await expect(revokeKey(database.db, { which: 'nobody', who: 'ada' })).rejects.toThrow(
    'There is no valid key "nobody"',
  )
})

test('of two people who give a key the same name at once, one is told to find another', async () => {
  const made = await Promise.allSettled(
    ['ada', 'grace'].map((who) =>
      createKey(database.db, { name: 'till', scopes: ['orders:write'], who }),
    ),
  )

  expect(made.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const refusal = made.find((one) => one.status === 'rejected')?.reason
  expect(String(refusal)).toMatch(/There is a valid key "till" already: /)

  await revokeKey(database.db, { which: 'till', who: 'ada' })
  await createKey(database.db, { name: 'till', scopes: ['orders:write'], who: 'grace' })
})

test('the development keys are made once, however often dev starts', async () => {
  await storeDevelopmentKeys(database.db)
  await storeDevelopmentKeys(database.db)

  const names = (await listKeys(database.db)).map(({ name }) => name)
  for (const { name } of developmentKeys)
    expect(names.filter((candidate) => candidate === name)).toHaveLength(1)
})
