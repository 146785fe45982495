import { afterAll, beforeAll, expect, test } from 'vitest'

import { exampleOrder } from '#messages/example-order.ts'

import { behave, callsOf, type RecordedCall } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type DemoStore, startDemoStore } from '../support/start-demo-store.ts'

let store: DemoStore

beforeAll(async () => {
  store = await startDemoStore()
})
afterAll(() => store.stop())

test('what one of three inventories rejects is a dead letter of that one only, and can be replayed', async () => {
  await behave(store.simulator, 'inventory-us', { status: 422 })
  await store.post('STOCK-1')
  const order = await eventually(async () => {
    const read = await store.read('STOCK-1')
    return read.state === 'needs-attention' && read
  })
  expect(statesOf(order, /^inventory/)).toEqual({
    'inventory-eu': 'delivered',
    'inventory-us': 'dead',
    'inventory-asia': 'delivered',
  })
  for (const name of ['inventory-eu', 'inventory-us', 'inventory-asia']) {
    const [call] = await callsAbout('STOCK-1', name)
    expect(call?.path).toBe(`/${name}/reservations/STOCK-1`)
    expect(jsonOf(call)).toEqual({
      released: false,
      lines: exampleOrder('STOCK-1').items.map(({ sku, quantity }) => ({ sku, quantity })),
    })
  }

  await behave(store.simulator, 'inventory-us', { status: null })
  await store.run('dead-letters', 'replay', '--target', 'inventory-us')
  await eventually(async () => (await store.read('STOCK-1')).state === 'completed')
  // The others were not told again.
  expect(await callsAbout('STOCK-1', 'inventory-eu')).toHaveLength(1)
  expect(await callsAbout('STOCK-1', 'inventory-us')).toHaveLength(2)
})

test('CRM and carrier are told what they need, and what the carrier answered reaches the customer', async () => {
  const pushToken = 'device-7'
  await store.post('FULL-1', { metadata: { pushToken } })
  await eventually(async () => (await store.read('FULL-1')).state === 'completed')
  const { customer, totals, currency } = exampleOrder('FULL-1')

  const [crm] = await callsAbout('FULL-1', 'crm')
  expect(crm?.path).toBe(`/crm/customers/${encodeURIComponent(customer.email)}`)
  expect(jsonOf(crm)).toMatchObject({
    lastOrder: { number: 'FULL-1', total: totals.total, currency },
  })
  const [shipping] = await callsAbout('FULL-1', 'shipping')
  expect(jsonOf(shipping)).toMatchObject({ reference: 'FULL-1', parcels: expect.any(Number) })
  const [sms] = await callsAbout('FULL-1', 'sms')
  expect(Object.fromEntries(new URLSearchParams(sms?.rawBody))).toEqual({
    To: customer.phone,
    From: 'DemoShop',
    Body: 'Thank you! Order FULL-1 arrives in 2 days.',
  })
  const [push] = await callsAbout('FULL-1', 'push')
  expect(jsonOf(push)).toMatchObject({ message: { token: pushToken } })
})

test('a customer without a phone, and an order with nothing to ship: nobody is called in vain', async () => {
  const { phone: _, ...customer } = exampleOrder('BARE-1').customer
  const items = exampleOrder('BARE-1').items.map((item) => ({ ...item, requiresShipping: false }))
  const answer = await store.post('BARE-1', { customer, items })
  expect(answer.status, await answer.text()).toBe(202)
  const order = await eventually(async () => {
    const read = await store.read('BARE-1')
    return read.state === 'completed' && read
  })
  expect(statesOf(order, /^(sms|push|shipping)$/)).toEqual({
    shipping: 'delivered',
    sms: 'delivered',
    push: 'delivered',
  })
  for (const name of ['sms', 'push', 'shipping'])
    expect(await callsAbout('BARE-1', name)).toEqual([])
})

test('a text message whose provider never answers is not sent twice: a person decides', async () => {
  await behave(store.simulator, 'sms', { hang: true })
  await store.post('SILENT-1')
  const order = await eventually(
    async () => {
      const read = await store.read('SILENT-1')
      return read.state === 'needs-attention' && read
    },
    { withinSeconds: 40 },
  )
  expect(statesOf(order, /^sms$/)).toEqual({ sms: 'uncertain' })
  await behave(store.simulator, 'sms', { hang: false })
  await store.run('order', 'SILENT-1', '--target', 'sms', '--mark-delivered')
  expect((await store.read('SILENT-1')).state).toBe('completed')
  expect(await callsAbout('SILENT-1', 'sms')).toHaveLength(1)
})

/** By what was said in path or body: the calls of other tests are there, too. */
async function callsAbout(externalId: string, target: string): Promise<RecordedCall[]> {
  const calls = await callsOf(store.simulator, target)
  return calls.filter(({ path, rawBody }) => `${path} ${rawBody}`.includes(externalId))
}

function jsonOf(call: RecordedCall | undefined): unknown {
  return JSON.parse(call?.rawBody ?? 'null')
}

function statesOf(order: { deliveries: { target: string; state: string }[] }, names: RegExp) {
  const chosen = order.deliveries.filter(({ target }) => names.test(target))
  return Object.fromEntries(chosen.map(({ target, state }) => [target, state]))
}
