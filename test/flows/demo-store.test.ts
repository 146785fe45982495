import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { exampleOrder } from '#messages/example-order.ts'

import { behave, type RecordedCall } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type DemoStore, startDemoStore } from '../support/start-demo-store.ts'

const page = readFileSync(new URL('../../docs/messages.md', import.meta.url), 'utf8')

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
    const [call] = await store.callsAbout('STOCK-1', name)
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
  expect(await store.callsAbout('STOCK-1', 'inventory-eu')).toHaveLength(1)
  expect(await store.callsAbout('STOCK-1', 'inventory-us')).toHaveLength(2)
})

test('CRM and carrier are told what they need, and what the carrier answered reaches the customer', async () => {
  const pushToken = 'device-7'
  await store.post('FULL-1', { metadata: { pushToken } })
  await eventually(async () => (await store.read('FULL-1')).state === 'completed')
  const { customer, totals, currency } = exampleOrder('FULL-1')

  const [crm] = await store.callsAbout('FULL-1', 'crm')
  expect(crm?.path).toBe(`/crm/customers/${encodeURIComponent(customer.email)}/orders/FULL-1`)
  expect(jsonOf(crm)).toMatchObject({ total: totals.total, currency, cancelled: false })
  const [shipping] = await store.callsAbout('FULL-1', 'shipping')
  expect(jsonOf(shipping)).toMatchObject({ reference: 'FULL-1', parcels: expect.any(Number) })
  const [sms] = await store.callsAbout('FULL-1', 'sms')
  expect(Object.fromEntries(new URLSearchParams(sms?.rawBody))).toEqual({
    To: customer.phone,
    From: 'DemoShop',
    Body: 'Thank you! Order FULL-1 arrives in 2 days.',
  })
  const [push] = await store.callsAbout('FULL-1', 'push')
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
    expect(await store.callsAbout('BARE-1', name)).toEqual([])
})

test.each([
  { how: 'posted as the page on messages says', add: addByHttp },
  { how: 'inserted in SQL as the page on messages says', add: addBySql },
])('a change of stock that is $how is told to the partner and to analytics', async ({ add }) => {
  const id = await add()
  const stock = { sku: 'IPOD-GREEN', warehouse: 'eu', quantity: 7, reason: 'counted' }
  await eventually(async () => (await store.readMessage(id)).state === 'completed')
  const [partner, ...again] = await store.callsAbout(id, 'partner-webhook')
  expect(again).toEqual([])
  expect(jsonOf(partner)).toEqual({
    type: 'stock.changed',
    timestamp: expect.any(String),
    data: stock,
  })
  const [analytics] = await store.callsAbout(id, 'analytics')
  const { events } = jsonOf(analytics) as { events: { id: string }[] }
  expect(events).toContainEqual({
    id: `analytics-${id}`,
    event: 'stock.changed',
    at: expect.any(String),
    stock,
  })

  const story = await store.run('message', id)
  expect(story).toMatch(/stock\.changed.*completed/)
  for (const target of ['partner-webhook', 'analytics'])
    expect(story).toMatch(new RegExp(`${target} +attempt 1: delivered`))
})

test('a change of stock that cannot be is refused with each mistake, and nobody hears of it', async () => {
  const answer = await store.addMessage({
    kind: 'stock.changed',
    payload: { sku: 'NO-SUCH-STOCK', warehouse: 'mars', quantity: -1, who: 'me' },
  })
  expect(answer.status).toBe(422)
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  const { code, errors } = (await answer.json()) as { code: string; errors: { pointer: string }[] }
  expect(code).toBe('invalid-message')
  expect(errors.map(({ pointer }) => pointer).toSorted()).toEqual([
    '/payload/quantity',
    '/payload/reason',
    '/payload/warehouse',
    '/payload/who',
  ])
  const { rows } = await store.database.pool.query(
    `select from orderwheel.messages where payload->>'sku' = 'NO-SUCH-STOCK'
     union all select from orderwheel.outbox where payload->>'sku' = 'NO-SUCH-STOCK'`,
  )
  expect(rows).toEqual([])
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
  expect(await store.callsAbout('SILENT-1', 'sms')).toHaveLength(1)
})

/** To where the demo store of the test listens. */
async function addByHttp(): Promise<string> {
  const curl = exampleOf(page, 'sh').replace('http://127.0.0.1:8080', store.url)
  const { stdout } = await promisify(execFile)('bash', ['-ec', curl])
  expect(stdout).toMatch(/^HTTP\/1\.1 202 /)
  return /^location: \/messages\/([\w-]+)\r$/m.exec(stdout)?.[1] ?? stdout
}

async function addBySql(): Promise<string> {
  const insert = exampleOf(page, 'sql').replace(';', ' returning id')
  const { rows } = await store.database.pool.query<{ id: string }>(insert)
  return rows[0]?.id ?? ''
}

/** The first example in a language. */
function exampleOf(page: string, language: string): string {
  return new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(page)?.[1] ?? ''
}

function jsonOf(call: RecordedCall | undefined): unknown {
  return JSON.parse(call?.rawBody ?? 'null')
}

function statesOf(order: { deliveries: { target: string; state: string }[] }, names: RegExp) {
  const chosen = order.deliveries.filter(({ target }) => names.test(target))
  return Object.fromEntries(chosen.map(({ target, state }) => [target, state]))
}
