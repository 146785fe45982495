import { randomBytes } from 'node:crypto'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { developmentKeys, storeDevelopmentKeys } from '#keys/development-keys.ts'
import { createApiKeyFinder } from '#http/find-api-key.ts'
import { revokeKey } from '#keys/revoke-key.ts'

import { eventually } from '../support/eventually.ts'
import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
let now: number
beforeEach(async () => {
  now = 1_000_000
  api = await startTestApi({ now: () => now })
})
afterEach(() => api.close())

test('without a valid key nothing is told, not even what is wrong with the order', async () => {
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ow_live_unknown',
    'Basic b3c6',
    'Bearer ä',
    'Bearer a b',
  ]) {
    const answer = await send(`${api.url}/orders`, {
      method: 'POST',
      body: '{}',
      headers: { authorization },
    })
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="orderwheel"/)
  }
  expect((await send(`${api.url}/orders?externalId=A`)).status).toBe(401)
})

test('a key that may only read cannot place an order', async () => {
  const key = await api.newKey({ scopes: ['orders:read'] })
  expect(await api.post('not even JSON', { key })).toMatchObject({
    status: 403,
    body: { code: 'missing-scope', detail: 'The API key lacks the scope orders:write.' },
  })
  const headers = { authorization: `Bearer ${key}` }
  expect((await api.get('/orders?externalId=WEB-0', headers)).status).toBe(404)
})

test('a revoked key is refused at the latest ten seconds later', async () => {
  const key = await api.newKey()
  expect((await api.post(newOrder(), { key })).status).toBe(202)
  await revokeKey(api.db, { which: key.slice(0, 12), who: 'test' })
  now += 10_000
  expect((await api.post(newOrder(), { key })).status).toBe(401)
})

test('a key made after it was refused works at the latest ten seconds later', async () => {
  const key = 'ow_dev_storefront'
  expect((await api.post(newOrder(), { key })).status).toBe(401)
  await storeDevelopmentKeys(api.db)
  now += 10_000
  expect((await api.post(newOrder(), { key })).status).toBe(202)
})

test('the development keys are refused in production, even when they are in the database', async () => {
  const production = await startTestApi({ production: true })
  try {
    await storeDevelopmentKeys(production.db)
    for (const { key } of developmentKeys) {
      expect(await production.post(newOrder(), { key })).toMatchObject({ status: 401 })
    }
  } finally {
    await production.close()
  }
})

test('what does not look like a key is refused without asking the database', async () => {
  const statements = countStatements()
  for (const key of [
    'x',
    'ow_live_short',
    `ow_live_${'x'.repeat(44)}`,
    `ow_test_${'x'.repeat(43)}`,
  ]) {
    expect((await api.post(newOrder(), { key })).status).toBe(401)
  }
  expect(statements()).toBe(0)
})

test('guessed keys take two connections at most, and too many of them are told to come again', async () => {
  await api.post(newOrder())
  const lock = await api.pool.connect()
  await lock.query('begin; lock table orderwheel.api_keys')
  const guesses = Array.from({ length: 250 }, () => api.post('{}', { key: guess() }))
  let toldToComeAgain = 0
  for (const guessed of guesses) {
    void guessed.then(({ status }) => (toldToComeAgain += status === 503 ? 1 : 0))
  }
  const refused = await Promise.race(guesses)
  expect(refused).toMatchObject({ status: 503, body: { code: 'too-many-unknown-keys' } })
  expect(refused.headers.get('retry-after')).toBe('1')
  await eventually(async () => (await waitingStatements()) === 2)
  // All have arrived: one that came after the lock is gone would just be looked up.
  await eventually(() => toldToComeAgain === 48)
  // A storefront known to this process notices nothing, and does not queue when its key is looked up again.
  expect((await api.post(newOrder())).status).toBe(202)
  now += 10_000
  const again = api.post(newOrder())
  await eventually(async () => (await waitingStatements()) === 3)
  await lock.query('rollback')
  lock.release()
  expect((await again).status).toBe(202)
  const answers = Map.groupBy(await Promise.all(guesses), ({ status }) => status)
  expect(answers.get(401)).toHaveLength(202)
  expect(answers.get(503)).toHaveLength(48)
})

test('guessed keys do not drive a good one out of the memory', async () => {
  const findApiKey = createApiKeyFinder(api.pool, { maxRemembered: 3 })
  const found = await findApiKey(api.key)
  for (let n = 0; n < 10; n += 1) expect(await findApiKey(guess())).toBeUndefined()
  const last = guess()
  await findApiKey(last)
  const statements = countStatements()
  expect(await findApiKey(api.key)).toEqual(found)
  expect(await findApiKey(last)).toBeUndefined()
  expect(statements()).toBe(0)
})

test('a new key sent many times at once is looked up once', async () => {
  const key = await api.newKey()
  const findApiKey = createApiKeyFinder(api.pool)
  const statements = countStatements()
  await Promise.all(Array.from({ length: 500 }, () => findApiKey(key)))
  expect(statements()).toBe(1)
})

test('when a look-up fails, those behind it are told at once, and the next one is made', async () => {
  const findApiKey = createApiKeyFinder(api.pool)
  const lock = await api.pool.connect()
  await lock.query('begin; lock table orderwheel.api_keys')
  const lookUps = Promise.allSettled(Array.from({ length: 20 }, () => findApiKey(guess())))
  await eventually(async () => (await waitingStatements()) === 2)
  await api.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
  )
  const settled = await lookUps
  expect(settled.map(({ status }) => status)).toEqual(Array(20).fill('rejected'))
  await lock.query('rollback')
  lock.release()
  expect(await findApiKey(api.key)).toMatchObject({ ratePerSecond: 1_000_000 })
})

test('a key is admitted as often a second as it may be, and told how often that is', async () => {
  const key = await api.newKey({ ratePerSecond: 3 })
  const other = await api.newKey({ ratePerSecond: 3 })
  const answers = []
  for (let n = 0; n < 4; n += 1) answers.push(await api.post(newOrder(), { key }))
  expect(answers.map((answer) => answer.status)).toEqual([202, 202, 202, 429])
  expect(answers.map((answer) => answer.headers.get('ratelimit'))).toEqual([
    '"default";r=2;t=1',
    '"default";r=1;t=1',
    '"default";r=0;t=1',
    '"default";r=0;t=1',
  ])
  const refused = answers[3]
  expect(refused?.body).toMatchObject({ code: 'rate-limited' })
  expect(refused?.headers.get('ratelimit-policy')).toBe('"default";q=3;w=1')
  expect(refused?.headers.get('retry-after')).toBe('1')
  expect((await api.post(newOrder(), { key: other })).status).toBe(202)
  now += 1_000
  expect((await api.post(newOrder(), { key })).status).toBe(202)
})

test('a request over the limit is refused before its idempotency key is looked at', async () => {
  const key = await api.newKey({ ratePerSecond: 1 })
  await api.post(newOrder(), { key })
  expect((await api.post(newOrder(), { key, idempotencyKey: '' })).status).toBe(429)
})

/** Of the right shape, but nobody's. */
function guess(): string {
  return `ow_live_${randomBytes(32).toString('base64url')}`
}

/** How many statements were sent since. */
function countStatements(): () => number {
  let count = 0
  api.pool.on('acquire', () => {
    count += 1
  })
  return () => count
}

async function waitingStatements(): Promise<number> {
  const { rows } = await api.pool.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length
}
