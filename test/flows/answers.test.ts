import { afterEach, expect, test } from 'vitest'

import { readRequest } from '#dead-letters/read-request.ts'
import type { EarlierAnswers } from '#targets/earlier-answers.ts'
import { delivered } from '#targets/outcome.ts'
import { http } from '#targets/http.ts'
import { textAt } from '#targets/text-at.ts'

import { createTarget } from '../targets/support/create-target.ts'
import { startReceiver } from '../targets/support/start-receiver.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

test('a target is given what those answered that it came after', async () => {
  const erp = await startReceiver((response) => response.writeHead(201).end('{"number":7}'))
  const given: EarlierAnswers[] = []
  shop = await openTestShop([
    createTarget('erp', http({ url: erp.url })),
    testTarget('crm', { call: async () => delivered({ text: 'not asked for' }) }),
    testTarget('stock', { call: async () => delivered({ value: { reserved: [1, 2] } }) }),
    testTarget('mail', {
      after: ['erp', 'stock'],
      call: async ({ answers }) => {
        given.push(answers)
        return delivered()
      },
    }),
  ])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))

  expect(await shop.deliveries(orderId)).toMatchObject({ mail: 'delivered' })
  expect(given).toHaveLength(1)
  expect(Object.keys(given[0] ?? {}).toSorted()).toEqual(['erp', 'stock'])
  expect(given[0]?.erp).toMatchObject({ status: 201, value: { number: 7 } })
  expect(given[0]?.stock?.value).toEqual({ reserved: [1, 2] })
})

test('a target is given its own answer to the message before, and each order its own', async () => {
  let made = 0
  const numbers = new Map<string, string>()
  const cancelled = new Map<string, string | undefined>()
  const erp = testTarget('erp', {
    call: async ({ order, message, answers }) => {
      if (message.kind === 'order.cancelled') {
        cancelled.set(order.id, textAt(answers.erp?.value, '/number'))
        return delivered({ text: '{"number":"cancelled"}' })
      }
      made += 1
      numbers.set(order.id, `ERP-${made}`)
      return delivered({ text: `{"number":"ERP-${made}"}` })
    },
  })
  const routes = { 'order.placed': ['erp'], 'order.cancelled': ['erp'] }
  shop = await openTestShop([erp], routes)
  const placed = [await shop.placeOrder(), await shop.placeOrder(), await shop.placeOrder()]
  for (const { orderId } of placed) await shop.addMessage(orderId, 'order.cancelled')
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))

  expect(cancelled.size).toBe(3)
  expect(cancelled).toEqual(numbers)
})

test('what a person reads and corrects of a dead letter was made with the answers, too', async () => {
  const crm = await startReceiver((response) => response.writeHead(422).end())
  const target = createTarget(
    'crm',
    http({ url: crm.url, body: ({ answers }) => ({ number: answers.erp?.value }), after: ['erp'] }),
  )
  const erp = testTarget('erp', { call: async () => delivered({ value: 'ERP-7' }) })
  shop = await openTestShop([erp, target])
  await shop.placeOrder()
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))

  const letter = await shop.db
    .selectFrom('orderwheel.dead_letters')
    .select('id')
    .executeTakeFirstOrThrow()
  expect(JSON.parse(crm.received[0]?.body ?? '')).toEqual({ number: 'ERP-7' })
  const request = await readRequest(shop.db, [erp, target], letter.id)
  expect(request).toMatchObject({ kind: 'request' })
  expect(JSON.parse('text' in request ? request.text : '')).toEqual({ number: 'ERP-7' })
})
