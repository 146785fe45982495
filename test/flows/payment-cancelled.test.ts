import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'

import { callTarget } from '#deliveries/call-target.ts'
import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import type { Decision } from '#deliveries/decision.ts'
import { markActive } from '#deliveries/mark-active.ts'
import { rescueLost } from '#deliveries/rescue-lost.ts'
import { cancelOrder } from '#orders/cancel-order.ts'
import { readOrder } from '#orders/read-order.ts'
import { custom, type Tell } from '#targets/custom.ts'
import { delivered, giveUp, uncertain } from '#targets/outcome.ts'
import type { HttpPaymentOptions } from '#targets/payment/http-payment.ts'

import { startTestApi } from '../http/test-api.ts'
import { cardPayment, createPayment, pay, startCardGateway } from '../payments/start-paying-shop.ts'
import { eventually } from '../support/eventually.ts'
import { heldCalls } from '../support/held-calls.ts'
import { openTestShop } from '../support/test-shop.ts'

/** A shop that captures what it authorised when its ERP has the order. No worker runs before `work()`. */
async function openShop(
  erp: Tell,
  { withdraw = false, ...more }: { withdraw?: boolean } & Partial<HttpPaymentOptions> = {},
) {
  const cards = await startCardGateway()
  const change = (url: string) => (given: { reference: string; http: Http }) =>
    given.http({ url, body: { charge: given.reference } })
  const config = createPayment(
    cardPayment(cards.url, {
      mode: 'authorise',
      capture: change('/captures'),
      captureAfter: ['erp'],
      void: change('/voids'),
      refund: change('/refunds'),
      ...more,
    }),
    custom(erp, { withdrawWhenCancelled: withdraw }),
  )
  const routes = { ...config.routes, 'order.cancelled': ['erp', 'payment'] }
  const api = await startTestApi({ payment: config.payment })
  const shop = await openTestShop(config.targets, routes, { ...api, close: async () => {} })
  onTestFinished(async () => {
    await shop.close()
    await api.close()
    await config.payment.close()
  })
  const calls = async (path: string) => {
    const all = (await (await fetch(`${cards.url}/payment/calls`)).json()) as { path: string }[]
    return all.filter((call) => call.path === `/payment${path}`).length
  }
  const target = config.targets.find(({ name }) => name === 'payment')
  if (!target) throw new Error('Nothing is captured.')
  return {
    ...shop,
    async pay() {
      const { body } = await pay(api, 'tok_approve')
      await shop.relay()
      return (body as { id: string }).id
    },
    cancel: (id: string) =>
      shop.db.transaction().execute((tx) => cancelOrder(tx, { id, reason: null })),
    /** A worker takes the capture, calls for it or not, and is killed before anything is written down. */
    async loseWorker({ calls, version }: { calls: boolean; version?: 'before' }) {
      const delivery = await this.claim(version === undefined)
      const begunAt = performance.now() - 20_000
      const end = calls ? await callTarget(this.target, delivery, () => true).end : undefined
      if (version)
        await markActive(shop.db, {
          target: 'payment',
          worker: 'old',
          calls: [{ delivery, begunAt }],
        })
      await this.loseHeld()
      return end?.outcome.kind
    },
    target,
    async claim(announced = true) {
      const [delivery] = await claimDeliveries(shop, { queue: 'payment', count: 1, announced })
      if (!delivery) throw new Error('There is nothing to capture.')
      return delivery
    },
    async loseHeld() {
      await sql`update pgboss.job set heartbeat_on = now() - interval '1 hour' where name = 'payment'`.execute(
        shop.db,
      )
      await rescueLost(shop.db, shop.boss, ['payment'])
      await shop.letTimePass()
    },
    work: () => shop.startWorker().drained(AbortSignal.timeout(30_000)),
    statusOf: async (id: string) => (await readOrder(shop.db, { id }))?.payment?.status,
    /** `order.placed waiting` */
    states: async (id: string, target: string) =>
      ((await readOrder(shop.db, { id }))?.deliveries ?? [])
        .filter((one) => one.target === target)
        .map(({ message, state }) => `${message.kind} ${state}`),
    changes: async () => ({
      captures: await calls('/captures'),
      voids: await calls('/voids'),
      refunds: await calls('/refunds'),
    }),
    async decide(id: string, target: string, decision: Decision) {
      const report = await readOrder(shop.db, { id })
      const messageId = report?.deliveries.find((one) => one.target === target)?.message.id ?? ''
      const request = { messageId, target, decision, who: 'ada', reason: 'so it is' }
      const decided = await decideDelivery(shop, request)
      expect(decided.kind).toBe('decided')
    },
    letterOf: (id: string, target: string) =>
      shop.db
        .selectFrom('orderwheel.dead_letters')
        .selectAll()
        .where('order_id', '=', id)
        .where('target', '=', target)
        .executeTakeFirst(),
  }
}

type Http = Parameters<NonNullable<HttpPaymentOptions['refund']>>[0]['http']

const voidedOnly = { captures: 0, voids: 1, refunds: 0 }

test('cancelling an order that the ERP was not told of voids what was authorised, and captures nothing', async () => {
  const shop = await openShop(async () => {}, { withdraw: true })
  const id = await shop.pay()
  await shop.cancel(id)
  await shop.relay()
  expect(await shop.states(id, 'payment')).toEqual([
    'order.placed cancelled',
    'order.cancelled queued',
  ])
  await shop.work()
  expect(await shop.changes()).toEqual(voidedOnly)
  expect(await shop.statusOf(id)).toBe('voided')
})

test('the money of a cancelled order does not wait until somebody has mended the ERP', async () => {
  let isMended = false
  const shop = await openShop(async () => (isMended ? delivered() : giveUp('answered 422')))
  const id = await shop.pay()
  await shop.work()
  expect(await shop.states(id, 'erp')).toEqual(['order.placed dead'])
  await shop.cancel(id)
  await shop.relay()
  await shop.work()
  expect(await shop.statusOf(id)).toBe('voided')
  isMended = true
  await shop.decide(id, 'erp', 'try-again')
  await shop.work()
  expect(await shop.states(id, 'erp')).toEqual([
    'order.placed delivered',
    'order.cancelled delivered',
  ])
  expect(await shop.changes()).toEqual(voidedOnly)
})

test('an order that is cancelled while the ERP works on it is voided, and not captured when the ERP is done', async () => {
  const held = heldCalls()
  const shop = await openShop(held.call)
  const id = await shop.pay()
  const worker = shop.startWorker()
  await eventually(() => held.inFlight() === 1)
  await shop.cancel(id)
  await shop.relay()
  worker.refresh()
  await eventually(async () => (await shop.statusOf(id)) === 'voided')
  held.end()
  await eventually(() => held.begun() === 2)
  held.end()
  await worker.drained(AbortSignal.timeout(30_000))
  expect(await shop.changes()).toEqual(voidedOnly)
})

test('a capture that begins before the cancellation is relayed finds it, and captures nothing', async () => {
  const shop = await openShop(async () => {})
  const id = await shop.pay()
  await shop.cancel(id)
  await shop.work()
  expect(await shop.states(id, 'payment')).toEqual(['order.placed cancelled'])
  await shop.relay()
  await shop.work()
  expect(await shop.changes()).toEqual(voidedOnly)
  expect(await shop.statusOf(id)).toBe('voided')
})

test('a cancellation that is relayed while the capture is being fetched is told when that is withdrawn', async () => {
  const held = heldCalls()
  const shop = await openShop(async () => {}, { captureAfter: [], capture: held.call })
  const id = await shop.pay()
  const worker = shop.startWorker()
  await eventually(() => held.inFlight() === 1)
  await shop.cancel(id)
  await shop.relay()
  expect(await shop.states(id, 'payment')).toContain('order.cancelled waiting')
  // It did not come to the gateway.
  held.end(1, { kind: 'try-again', reason: 'the gateway is closed' })
  await shop.letTimePass()
  worker.refresh()
  await eventually(async () => (await shop.statusOf(id)) === 'voided')
  expect(held.begun()).toBe(1)
})

test('a worker that is killed when it has found the order cancelled leaves no doubt: it is voided, and nothing is captured', async () => {
  const shop = await openShop(async () => {}, { captureAfter: [] })
  const id = await shop.pay()
  await shop.cancel(id)
  expect(await shop.loseWorker({ calls: true })).toBe('withdrawn')
  await shop.relay()
  await shop.work()
  expect(await shop.states(id, 'payment')).toEqual([
    'order.placed cancelled',
    'order.cancelled delivered',
  ])
  expect(await shop.changes()).toEqual(voidedOnly)
  expect(await shop.statusOf(id)).toBe('voided')
})

test('nor does one that is killed before it came to call the gateway', async () => {
  const shop = await openShop(async () => {}, { captureAfter: [] })
  const id = await shop.pay()
  await shop.loseWorker({ calls: false })
  await shop.loseWorker({ calls: false })
  await shop.cancel(id)
  await shop.relay()
  await shop.work()
  expect(await shop.changes()).toEqual(voidedOnly)
  expect(await shop.attempts(id)).not.toContainEqual(
    expect.objectContaining({ target: 'payment', outcome: 'abandoned' }),
  )
})

test('what a worker asked for before it was killed is made sure of, and refunded', async () => {
  const shop = await openShop(async () => {}, { captureAfter: [] })
  const id = await shop.pay()
  expect(await shop.loseWorker({ calls: true })).toBe('delivered')
  await shop.cancel(id)
  await shop.relay()
  await shop.work()
  expect(await shop.changes()).toMatchObject({ voids: 0, refunds: 1 })
  expect(await shop.statusOf(id)).toBe('refunded')
})

test('so is what a worker of a version before asked for, which wrote down no call but showed one that took long', async () => {
  const shop = await openShop(async () => {}, { captureAfter: [] })
  const id = await shop.pay()
  expect(await shop.loseWorker({ calls: true, version: 'before' })).toBe('delivered')
  await shop.cancel(id)
  await shop.relay()
  await shop.work()
  expect(await shop.changes()).toMatchObject({ voids: 0, refunds: 1 })
  expect(await shop.attempts(id)).toContainEqual(
    expect.objectContaining({ target: 'payment', outcome: 'abandoned' }),
  )
})

test('a worker that was frozen before it called does not undo what its successor wrote down', async () => {
  const shop = await openShop(async () => {}, { captureAfter: [] })
  const id = await shop.pay()
  const frozen = await shop.claim()
  await shop.loseHeld()
  const successor = await shop.claim()
  expect([frozen.attempt, successor.attempt]).toEqual([1, 1])
  expect(await successor.told?.announce?.()).toBe(true)
  expect(await frozen.told?.announce?.()).toBe(false)
  // The successor is lost, too: of its call alone nobody knows what became.
  await shop.loseHeld()
  await shop.work()
  const lost = (await shop.attempts(id)).filter(({ outcome }) => outcome === 'abandoned')
  expect(lost).toHaveLength(1)
})

test('a capture that may have been made is made sure of, and refunded', async () => {
  let isLost = true
  const shop = await openShop(async () => {}, {
    capture: async ({ reference, http }) => {
      const answer = await http({ url: '/captures', body: { charge: reference } })
      const lost = uncertain('sent, but no answer')
      return isLost ? lost : answer
    },
  })
  const id = await shop.pay()
  const worker = shop.startWorker()
  await eventually(async () => (await shop.states(id, 'payment'))[0] === 'order.placed retrying')
  await shop.cancel(id)
  await shop.relay()
  isLost = false
  await shop.letTimePass()
  worker.refresh()
  await eventually(async () => (await shop.statusOf(id)) === 'refunded')
  expect(await shop.changes()).toMatchObject({ voids: 0, refunds: 1 })
})

test('a capture function that forgets to return what the gateway answered is a dead letter at once, and not taken for undone', async () => {
  let forgets = true
  const shop = await openShop(async () => {}, {
    captureAfter: [],
    capture: async ({ reference, http }) => {
      const answer = await http({ url: '/captures', body: { charge: reference } })
      return forgets ? (undefined as never) : answer
    },
  })
  const id = await shop.pay()
  await shop.work()
  expect((await shop.letterOf(id, 'payment'))?.reason).toMatch(
    /^payment\.capture returned nothing, so that nobody knows what it did: it has to return/,
  )
  await shop.cancel(id)
  await shop.relay()
  await shop.work()
  expect(await shop.states(id, 'payment')).toEqual(['order.placed dead', 'order.cancelled waiting'])
  forgets = false
  await shop.decide(id, 'payment', 'try-again')
  await shop.work()
  expect(await shop.changes()).toMatchObject({ voids: 0, refunds: 1 })
  expect(await shop.statusOf(id)).toBe('refunded')
})

test('a capture that a proxy answered 503 while the gateway made it is refunded, after as long as the proxy asked for', async () => {
  let isImpatient = true
  const shop = await openShop(async () => {}, {
    capture: async ({ reference, http }) => {
      const answer = await http({ url: '/captures', body: { charge: reference } })
      if (!isImpatient) return answer
      return { ...answer, status: 503, headers: { 'retry-after': '1800' } }
    },
  })
  const id = await shop.pay()
  const worker = shop.startWorker()
  await eventually(async () => (await shop.states(id, 'payment'))[0] === 'order.placed retrying')
  const { rows } = await sql<{ minutes: number }>`
    select round(extract(epoch from start_after - now()) / 60)::int as minutes
      from pgboss.job where name = 'payment'`.execute(shop.db)
  expect(rows).toEqual([{ minutes: 30 }])
  await shop.cancel(id)
  await shop.relay()
  expect(await shop.states(id, 'payment')).toEqual([
    'order.placed retrying',
    'order.cancelled waiting',
  ])
  isImpatient = false
  await shop.letTimePass(1_801)
  worker.refresh()
  await eventually(async () => (await shop.statusOf(id)) === 'refunded')
  expect(await shop.changes()).toMatchObject({ voids: 0, refunds: 1 })
})

test('discarding what the ERP refused captures nothing, and says what a person can do; cancelling voids', async () => {
  const shop = await openShop(async () => giveUp('answered 422'))
  const id = await shop.pay()
  await shop.work()
  await shop.decide(id, 'erp', 'skip')
  await shop.work()
  expect(await shop.states(id, 'payment')).toEqual(['order.placed dead'])
  expect((await shop.letterOf(id, 'payment'))?.reason).toBe(
    'Not captured: erp is skipped, not delivered. Cancel the order to give the money back, or replay this to capture it all the same.',
  )
  await shop.cancel(id)
  await shop.relay()
  await shop.work()
  expect(await shop.changes()).toEqual(voidedOnly)
  expect(await shop.letterOf(id, 'payment')).toMatchObject({
    resolution: 'discarded',
    resolved_by: 'orderwheel',
    comment: 'The order was cancelled.',
  })
})

test('a person can have it captured all the same, and what is marked as captured by hand is refunded', async () => {
  const shop = await openShop(async ({ message }) =>
    message.kind === 'order.placed' ? giveUp('answered 422') : delivered(),
  )
  const [captured, marked] = [await shop.pay(), await shop.pay()]
  await shop.work()
  for (const id of [captured, marked]) await shop.decide(id, 'erp', 'skip')
  await shop.work()
  await shop.decide(captured, 'payment', 'try-again')
  await shop.decide(marked, 'payment', 'mark-delivered')
  await shop.work()
  expect(await shop.changes()).toEqual({ captures: 1, voids: 0, refunds: 0 })
  expect(await shop.statusOf(marked)).toBe('captured')
  await shop.cancel(marked)
  await shop.relay()
  await shop.work()
  expect(await shop.changes()).toMatchObject({ voids: 0, refunds: 1 })
})
