import { afterEach, expect, test } from 'vitest'

import { readRequest } from '#dead-letters/read-request.ts'
import { readFile } from '#deliveries/keep-files.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { custom } from '#targets/custom.ts'
import type { EarlierAnswers } from '#targets/earlier-answers.ts'
import { http } from '#targets/http/http.ts'
import { delivered, type MadeFile } from '#targets/outcome.ts'
import { textAt } from '#targets/text-at.ts'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { createTarget } from '../targets/support/create-target.ts'
import { startReceiver } from '../targets/support/start-receiver.ts'

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

test('what a target makes is kept with the order, for those that come after it, and goes with the person', async () => {
  const bytes = Uint8Array.of(0, 1, 255)
  const read: unknown[] = []
  shop = await openTestShop([
    createTarget(
      'receipt',
      custom(async () =>
        Object.assign(delivered(), {
          file: { name: 'r.pdf', contentType: 'application/pdf', bytes },
        }),
      ),
    ),
    testTarget('mail', {
      after: ['receipt'],
      call: async ({ file }) => {
        read.push(await file('receipt'), await file('nobody'))
        return delivered()
      },
    }),
  ])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))

  expect(read).toEqual([
    { name: 'r.pdf', contentType: 'application/pdf', bytes: Buffer.from(bytes) },
    undefined,
  ])
  expect(await readFile(shop.db, orderId, 'receipt')).toMatchObject({ name: 'r.pdf' })
  await forgetPerson(shop.db, {
    person: { email: 'ada@example.com', customerId: null },
    who: 'eva',
    reason: 'asked',
    evenOpen: false,
    dryRun: false,
  })
  expect(await readFile(shop.db, orderId, 'receipt')).toBeUndefined()
})

test.each([
  [
    'a name that is a path',
    { name: '../r.pdf' },
    'its file needs a name of 1 to 100 characters, without slashes and quotes',
  ],
  [
    'a type that is two headers',
    { contentType: 'a\r\nb: c' },
    'its file needs a contentType like application/pdf',
  ],
  ['a text for bytes', { bytes: 'text' }, 'its file needs bytes, a Uint8Array'],
  [
    'more than 10 MiB',
    { bytes: new Uint8Array(10_485_761) },
    'its file has 10485761 bytes, more than 10485760',
  ],
])('a file that cannot be kept costs nobody the delivery: %s', async (_case, wrong, reason) => {
  const file = { name: 'r.pdf', contentType: 'application/pdf', bytes: new Uint8Array(1), ...wrong }
  const target = createTarget(
    'receipt',
    custom(async () => Object.assign(delivered(), { file: file as MadeFile })),
  )
  shop = await openTestShop([target])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))
  expect(await shop.attempts(orderId)).toMatchObject([{ outcome: 'delivered', reason }])
  expect(await readFile(shop.db, orderId, 'receipt')).toBeUndefined()
})
