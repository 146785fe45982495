import { afterEach, beforeEach, expect, test } from 'vitest'

import { developmentKeys, storeDevelopmentKeys } from '#keys/development-keys.ts'
import { revokeKey } from '#keys/revoke-key.ts'

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
