import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { verifyShop } from '../support/verify-shop.ts'
import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
let key: string

beforeEach(async () => {
  api = await startTestApi()
  key = await api.newKey({ scopes: ['ops:read', 'ops:write'] })
})
afterEach(() => api.close())

function ask(method: string, body?: object, as = key) {
  return send(`${api.url}/ops/verify`, {
    method,
    headers: {
      authorization: `Bearer ${as}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
}

test('GET /ops/verify answers what the last verification came to, and what mends it', async () => {
  expect((await ask('GET')).body).toMatchObject({ lost: null, checkedAt: null, findings: [] })
  const placed = await api.post(newOrder())
  const { id, externalId } = placed.body as { id: string; externalId: string }
  await sql`delete from orderwheel.outbox where order_id = ${id}`.execute(api.db)
  await verifyShop(api.db)

  const { status, body } = await ask('GET')
  expect(status).toBe(200)
  expect(body).toMatchObject({
    lost: 1,
    checked: 1,
    checkedAt: expect.stringMatching(/Z$/),
    full: true,
    counts: { 'order-without-message': 1 },
    findings: [
      {
        kind: 'order-without-message',
        class: 'lost',
        order: externalId,
        orderId: id,
        mend: expect.stringContaining('orderwheel verify --repair --only order-without-message'),
      },
    ],
  })
})

test('POST /ops/verify asks for one in the name of the key, and says that it will be done', async () => {
  expect(await ask('POST')).toMatchObject({ status: 202, body: { full: false } })
  expect(await ask('POST', { full: true })).toMatchObject({ status: 202, body: { full: true } })
  const { rows } = await sql`
    select requested_by, request_full, requested_at is not null as asked from orderwheel.verify_state`.execute(
    api.db,
  )
  expect(rows).toEqual([
    { requested_by: expect.stringMatching(/^key /), request_full: true, asked: true },
  ])
  const audited = await sql`
    select who, action, details from orderwheel.audit_log where action = 'verify.requested' order by id`.execute(
    api.db,
  )
  expect(audited.rows).toMatchObject([
    { who: expect.stringMatching(/^key /), details: { full: false } },
    { details: { full: true } },
  ])
  expect(await ask('POST', { fll: true })).toMatchObject({ status: 422 })
})

test('only keys of operators may see it, and only those that may write may ask for it', async () => {
  expect((await ask('GET', undefined, api.key)).status).toBe(403)
  const reader = await api.newKey({ scopes: ['ops:read'] })
  expect((await ask('GET', undefined, reader)).status).toBe(200)
  expect((await ask('POST', undefined, reader)).status).toBe(403)
})
