import { randomUUID } from 'node:crypto'

import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'
import { cancelOrder } from '#orders/cancel-order.ts'
import { settleByHand } from '#payments/settle-by-hand.ts'
import { auditKind } from '#targets/audit.ts'
import { uncertain } from '#targets/outcome.ts'
import type { ChargeResult } from '#targets/payment/charge-result.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'

import { newOrder, startTestApi } from '../http/test-api.ts'
import { createPayment } from '../payments/start-paying-shop.ts'
import { openTestShop } from '../support/test-shop.ts'

/** A shop that has an audit target, and a gateway that never says whether it charged. */
async function openShop() {
  const config = createPayment(
    customPayment(async () => uncertain('answered 500') as ChargeResult, {
      refund: async () => ({ kind: 'delivered' }),
    }),
  )
  const audit = auditKind.create('audit', {}, { directory: '.' })
  const api = await startTestApi({ payment: config.payment })
  const routes = { 'order.placed': ['audit'], 'order.cancelled': ['audit', 'payment'] }
  const targets = [...config.targets, audit]
  const shop = await openTestShop(targets, routes, { ...api, close: async () => {} })
  onTestFinished(async () => {
    await shop.close()
    await api.close()
    await config.payment.close()
  })
  const { db } = shop
  const settle = (orderId: string, settled: Parameters<typeof settleByHand>[1]['settled']) =>
    settleByHand(db, { orderId, settled, who: 'ada', reason: 'seen at the gateway' })
  return {
    ...shop,
    async pending() {
      const order = newOrder({ payment: { token: 'tok' } })
      const { body } = await api.post(order, { idempotencyKey: randomUUID() })
      return (body as { id: string }).id
    },
    cancel: (id: string) => db.transaction().execute((tx) => cancelOrder(tx, { id, reason: null })),
    insert: (id: string, kind: string) =>
      sql`insert into orderwheel.outbox (order_id, kind) values (${id}, ${kind})`.execute(db),
    charged: (id: string) => settle(id, { kind: 'approved', reference: 'ch_1' }),
    declined: (id: string) => settle(id, { kind: 'declined', reason: 'no charge' }),
    async tell() {
      await shop.relay()
      const worker = shop.startWorker()
      await worker.drained(AbortSignal.timeout(30_000))
      await worker.stop()
    },
    async audited() {
      const { rows } = await sql<{ record: string; kind: string }>`
        select record, details->>'kind' as kind from orderwheel.audit_chain
         where kind = 'told' order by position`.execute(db)
      return rows.map(({ record, kind }) => [record, kind])
    },
  }
}

test('the audit is told of an order when it is paid, and proves what it was told, whatever was inserted before', async () => {
  const shop = await openShop()
  const [paid, cancelled, declined] = [
    await shop.pending(),
    await shop.pending(),
    await shop.pending(),
  ]
  for (const id of [paid, declined]) await shop.insert(id, 'order.placed')
  await shop.cancel(cancelled)
  await shop.tell()
  expect(await shop.audited()).toEqual([])
  expect(await verifyChain(shop.db)).toMatchObject({ found: 0 })

  await shop.charged(paid)
  await shop.charged(cancelled)
  await shop.declined(declined)
  await shop.insert(declined, 'order.cancelled')
  await shop.tell()
  await shop.cancel(paid)
  await shop.tell()
  expect(await shop.audited()).toEqual([
    [paid, 'order.placed'],
    [paid, 'order.cancelled'],
  ])
  expect(await verifyChain(shop.db)).toMatchObject({ found: 0 })

  // What it was told is that the order was paid.
  await sql`update orderwheel.orders set document = jsonb_set(document, '{payment,status}', '"pending"') where id = ${paid}`.execute(
    shop.db,
  )
  expect((await verifyChain(shop.db)).found).toBe(2)
})
