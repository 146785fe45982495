import { afterAll, beforeAll, expect, test } from 'vitest'

import { exampleOrder } from '#messages/example-order.ts'
import { textAt } from '#targets/text-at.ts'

import { behave, mailsOf } from '../support/ask-simulator.ts'
import { demoTargets } from '../support/demo-targets.ts'
import { eventually } from '../support/eventually.ts'
import { type DemoStore, type OrderReport, startDemoStore } from '../support/start-demo-store.ts'
import { readPdf } from '../targets/support/read-pdf.ts'

let store: DemoStore
/** An order that everybody was told of, and then that it is cancelled. */
let cancelled: OrderReport

beforeAll(async () => {
  store = await startDemoStore()
  await store.post('BACK-1', {
    payment: { token: 'tok_approve' },
    metadata: { pushToken: 'device-7' },
  })
  const { id } = await settled('BACK-1', 'completed')
  await store.cancel(id)
  cancelled = await settled('BACK-1', 'cancelled')
}, 120_000)
afterAll(() => store.stop())

const inventories = ['inventory-eu', 'inventory-us', 'inventory-asia']
const buyersPhone = exampleOrder('X').customer.phone

test('whoever was told of an order is told that it is cancelled', () => {
  for (const name of demoTargets)
    expect(stateOf(cancelled, name), name).toBe('order.placed delivered, order.cancelled delivered')
})

test('the ERP has it as cancelled, and the three inventories have let go of the stock', async () => {
  expect(await lastCall('erp')).toMatchObject({
    path: '/erp/orders/BACK-1',
    body: { cancelled: true },
  })
  expect(answerOf('erp')).toEqual({ status: 'cancelled' })
  for (const name of inventories) {
    expect(await lastCall(name)).toMatchObject({
      path: `/${name}/reservations/BACK-1`,
      body: { released: true, lines: [{ sku: 'IPOD-GREEN', quantity: 2 }] },
    })
    expect(answerOf(name)).toEqual({ reserved: false })
  }
})

test('the carrier voids the label that it gave', async () => {
  const placed = cancelled.deliveries.find(({ target }) => target === 'shipping')
  const label = textAt(JSON.parse(placed?.attempts.at(-1)?.answer?.text ?? ''), '/label')
  expect(label).toMatch(/^LBL-\d+$/)
  expect(await lastCall('shipping')).toMatchObject({
    path: '/shipping/shipments/BACK-1/void',
    body: { reference: 'BACK-1', label },
  })
  expect(answerOf('shipping')).toEqual({ label, voided: true })
})

test('partner, CRM and analytics count the order as cancelled', async () => {
  expect(await lastCall('partner-webhook')).toMatchObject({
    body: { type: 'order.cancelled', data: { externalId: 'BACK-1' } },
  })
  expect(await lastCall('crm')).toMatchObject({
    path: '/crm/customers/ada%40example.com/orders/BACK-1',
    body: { cancelled: true },
  })
  expect(answerOf('crm')).toMatchObject({ cancelled: true })
  const { body } = await lastCall('analytics')
  const { events } = body as { events: { order: string; event: string }[] }
  expect(events).toContainEqual(
    expect.objectContaining({ order: 'BACK-1', event: 'order.cancelled' }),
  )
})

test('the buyer hears of it by mail, with a receipt that says so, by text message and on the phone', async () => {
  const mails = (await mailsOf(store.simulator)).filter(({ subject }) => subject.includes('BACK-1'))
  expect(mails.map(({ subject }) => subject)).toEqual([
    'Bestellbestätigung BACK-1',
    'Ihre Bestellung wurde storniert: BACK-1',
  ])
  const receipt = await store.receipt(cancelled.id)
  expect(readPdf(receipt).text).toContain('storniert.')
  expect(mails[1]?.attachments).toMatchObject([{ bytes: receipt.length }])
  expect(mails[0]?.attachments).not.toEqual(mails[1]?.attachments)
  const [, sms] = await store.callsAbout('BACK-1', 'sms')
  expect(Object.fromEntries(new URLSearchParams(sms?.rawBody))).toMatchObject({
    To: buyersPhone,
    Body: 'Your order BACK-1 is cancelled.',
  })
  expect(await lastCall('push')).toMatchObject({
    body: { message: { token: 'device-7', notification: { title: 'Order cancelled' } } },
  })
})

test('the money is given back, and the audit chain has both', async () => {
  const answer = await fetch(`${store.simulator.url}/payment/charges`)
  const charges = (await answer.json()) as { key: string; status: string }[]
  expect(charges.filter(({ key }) => key.includes(cancelled.id))).toMatchObject([
    { status: 'refunded' },
  ])
  const { rows } = await store.database.pool.query<{ kind: string }>(
    `select details->>'kind' as kind from orderwheel.audit_chain
      where kind = 'told' and record = $1 order by position`,
    [cancelled.id],
  )
  expect(rows.map(({ kind }) => kind)).toEqual(['order.placed', 'order.cancelled'])
})

test('an order that is cancelled before the shop’s systems took it is withdrawn: nobody reserves, ships or writes to the buyer', async () => {
  const withdrawn = [...inventories, 'crm', 'shipping', 'analytics']
  for (const name of ['erp', ...withdrawn]) await behave(store.simulator, name, { status: 429 })
  await store.post('EARLY-1', { metadata: { pushToken: 'device-7' } })
  const { id } = await eventually(async () => {
    const order = await store.read('EARLY-1')
    const states = withdrawn.map((name) => stateOf(order, name))
    return states.every((state) => state === 'order.placed retrying') && order
  })
  await store.cancel(id)
  for (const name of ['erp', ...withdrawn]) await behave(store.simulator, name, { status: null })
  const order = await settled('EARLY-1', 'cancelled')

  for (const name of [...withdrawn, 'confirmation-email', 'sms', 'push'])
    expect(stateOf(order, name), name).toBe('order.placed cancelled, order.cancelled cancelled')
  for (const name of ['erp', 'receipt', 'partner-webhook', 'audit'])
    expect(stateOf(order, name), name).toBe('order.placed delivered, order.cancelled delivered')
  for (const name of [...withdrawn, 'sms', 'push']) {
    const calls = await store.callsAbout('EARLY-1', name)
    expect(
      calls.filter(({ answered }) => answered !== 429),
      name,
    ).toEqual([])
  }
  const mails = await mailsOf(store.simulator)
  expect(mails.filter(({ subject }) => subject.includes('EARLY-1'))).toEqual([])
})

function settled(externalId: string, state: string): Promise<OrderReport> {
  return eventually(
    async () => {
      const order = await store.read(externalId)
      return order.state === state && isDone(order) && order
    },
    { withinSeconds: 60 },
  )
}

/** A cancelled order is one at once, before anybody is told. */
function isDone({ state, deliveries }: OrderReport): boolean {
  const last = state === 'cancelled' ? 'order.cancelled' : 'order.placed'
  return (
    deliveries.some(({ message }) => message.kind === last) &&
    deliveries.every(({ state }) => ['delivered', 'cancelled'].includes(state))
  )
}

async function lastCall(target: string): Promise<{ path: string; body: unknown }> {
  const call = (await store.callsAbout('BACK-1', target)).at(-1)
  return { path: call?.path ?? '', body: JSON.parse(call?.rawBody ?? 'null') }
}

/** To the last thing it was told of the cancelled order. */
function answerOf(target: string): unknown {
  const told = cancelled.deliveries.findLast((delivery) => delivery.target === target)
  return JSON.parse(told?.attempts.at(-1)?.answer?.text ?? 'null')
}

function stateOf({ deliveries }: OrderReport, name: string): string {
  return deliveries
    .filter(({ target }) => target === name)
    .map(({ message, state }) => `${message.kind} ${state}`)
    .join(', ')
}
