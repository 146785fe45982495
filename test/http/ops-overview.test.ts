import { afterEach, beforeEach, expect, test } from 'vitest'

import { raiseAlert } from '#alerts/raise-alert.ts'
import { onlyDeployment } from '#base/deployment.ts'
import { claimOwnership } from '#owner/write-owner.ts'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { verifyShop } from '../support/verify-shop.ts'
import { newOrder, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
let shop: TestShop
let reader: string

beforeEach(async () => {
  api = await startTestApi({ deployment: { ...onlyDeployment, environment: 'production' } })
  reader = await api.newKey({ scopes: ['ops:read'] })
  shop = await openTestShop([testTarget('erp')], undefined, api)
})
afterEach(() => shop.close())

const look = (key = reader) => api.get('/ops/overview', { authorization: `Bearer ${key}` })

test('the overview of a new shop is empty, and says that nobody owns its database yet', async () => {
  const { body } = await look()
  expect(body).toMatchObject({
    delivers: true,
    deliversReason: expect.stringContaining('Nobody owns this database yet'),
    intake: { ordersLastMinute: 0, precision: 'exact', lastOrderAt: null },
    relay: { waiting: 0, oldestSeconds: null },
    targets: [{ target: 'erp', open: 0, deadLetters: 0 }],
    verification: null,
    alerts: [],
  })
})

test('the overview says what comes in, waits, is open, was verified and is alerted about', async () => {
  await api.post(newOrder())
  await shop.relay()
  await api.post(newOrder())
  await verifyShop(api.db)
  await raiseAlert(api.db, { kind: 'outbox', text: 'It stands still.' })
  const { body } = await look()
  expect(body).toMatchObject({
    at: expect.stringMatching(/Z$/),
    intake: { ordersLastMinute: 2, precision: 'exact', lastOrderAt: expect.stringMatching(/Z$/) },
    relay: { waiting: 1, isEstimated: false, refused: 0 },
    targets: [
      { target: 'erp', open: 1, openCounts: 'exact', circuit: { state: 'closed' }, paused: null },
    ],
    verification: { lost: 0, checkedAt: expect.stringMatching(/Z$/) },
    alerts: [{ kind: 'outbox', subject: '', text: 'It stands still.' }],
  })
})

test('the overview of a copy of another environment’s database says that it delivers nothing', async () => {
  await claimOwnership(api.db, { environment: 'staging' }, 'worker')
  expect((await look()).body).toMatchObject({
    delivers: false,
    deliversReason: expect.stringContaining('Another environment owns this database'),
  })
})

test('a flood of orders is counted up to a limit', async () => {
  await api.pool.query(`
    insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
    select 'MANY-' || n, uuidv7(), 'MANY-' || n, sha256(''), '{}' from generate_series(1, 10001) n`)
  expect((await look()).body).toMatchObject({
    intake: { ordersLastMinute: 10_000, precision: 'at-least' },
  })
})

test('only keys of operators see the overview', async () => {
  expect((await look(api.key)).status).toBe(403)
})
