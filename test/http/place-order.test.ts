import { afterAll, beforeAll, expect, test } from 'vitest'

import { newOrder, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api.close())

test('an order is accepted with 202 and can be read back', async () => {
  const order = newOrder()
  const placed = await api.post(order)
  expect(placed).toMatchObject({
    status: 202,
    body: { externalId: order.externalId, state: 'received' },
  })
  const { id } = placed.body as { id: string }
  expect(placed.headers.get('location')).toBe(`/orders/${id}`)
  const read = await api.get(`/orders/${id}`)
  expect(read).toMatchObject({ status: 200, body: { id, state: 'received', order } })
  expect(await api.get(`/orders?externalId=${order.externalId}`)).toMatchObject({
    status: 200,
    body: read.body,
  })
})
