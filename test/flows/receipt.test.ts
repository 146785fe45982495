import type { FastifyInstance } from 'fastify'
import { afterEach, expect, onTestFinished, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { buildApp } from '#http/build-app.ts'
import { createKey } from '#keys/create-key.ts'
import { readOrder } from '#orders/read-order.ts'
import { startSimulator } from '#simulator/start-simulator.ts'
import { email } from '#targets/email/email.ts'
import { giveUp, tryAgain, type Outcome } from '#targets/outcome.ts'
import { receipt } from '#targets/receipt/receipt.ts'
import type { Target } from '#targets/target.ts'

import { behave, mailsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { createTarget } from '../targets/support/create-target.ts'
import { readPdf } from '../targets/support/read-pdf.ts'

let shop: TestShop
let app: FastifyInstance
let key = ''
const log = createLog('test', 'silent')
afterEach(async () => {
  await app.close()
  await shop.close()
})

const routes = { 'order.placed': ['receipt'], 'order.cancelled': ['receipt'] }

async function openShop(targets: Target[], told: Record<string, string[]> = routes) {
  shop = await openTestShop(targets, told)
  app = await buildApp({
    ...shop,
    log,
    outboxChanged: () => {},
    production: false,
    targets,
    routes: told,
  })
  const scopes = ['orders:read'] as const
  key = (await createKey(shop.db, { name: 'shop', scopes, who: 'test' })).key
}

function get(orderId: string, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${key}`
  return app.inject({ url: `/orders/${orderId}/receipt`, headers: { authorization, ...headers } })
}

// One worker at a time: a later one would be done while an earlier one still calls.
async function workOff(): Promise<void> {
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(30_000))
  await worker.stop()
}

async function startMailbox() {
  const simulator = await startSimulator({ port: 0, smtpPort: 0, speed: 1_000, log })
  onTestFinished(() => simulator.stop())
  const mailWith = (attach: string[]) =>
    createTarget(
      'confirmation-email',
      email({
        template: 'order-confirmation',
        from: 'Demo Shop <orders@shop.example>',
        smtp: simulator.smtpUrl,
        after: attach,
        attach,
      }),
    )
  return { simulator, mailWith }
}

/** A shop whose mail attaches a receipt, and an order of which none could be made. */
async function refuseReceipt(options: Partial<Target> = {}, state: 'dead' | 'retrying' = 'dead') {
  const { simulator, mailWith } = await startMailbox()
  const answer = { status: 422 }
  let outcome: Outcome =
    state === 'dead' ? giveUp('no ink', answer) : tryAgain('no paper', { answer })
  const maker = testTarget('receipt', { kind: 'http', ...options, call: async () => outcome })
  const told = ['confirmation-email', 'receipt']
  await openShop([mailWith(['receipt']), maker], {
    'order.placed': told,
    'order.cancelled': told,
  })
  const { orderId } = await shop.placeOrder()
  await workOff()
  expect(await mailsOf(simulator)).toEqual([])
  return {
    orderId,
    simulator,
    mend: () => {
      outcome = madeReceipt
    },
  }
}

const madeReceipt: Outcome = {
  kind: 'delivered',
  file: { name: 'receipt.pdf', contentType: 'application/pdf', bytes: Buffer.from('%PDF-') },
}

async function reasonsOf(orderId: string, target: string) {
  const attempts = await shop.attempts(orderId)
  return attempts.filter((one) => one.target === target).map(({ reason }) => reason)
}

async function messageOf(orderId: string): Promise<string> {
  const report = await readOrder(shop.db, { id: orderId })
  return report?.messages[0]?.id ?? ''
}

function receiptTarget(): Target {
  return createTarget('receipt', receipt({ seller: { name: 'Demo Shop' } }))
}

test('a receipt is not there yet, then it is, and whoever has it already is told so', async () => {
  await openShop([receiptTarget()])
  const { orderId } = await shop.placeOrder()
  const early = await get(orderId)
  expect(early.statusCode).toBe(404)
  expect(early.json()).toMatchObject({ code: 'receipt-not-ready', detail: 'It is being made.' })
  expect(early.headers['retry-after']).toBe('2')
  await shop.relay()
  expect((await get(orderId)).json()).toMatchObject({ code: 'receipt-not-ready' })

  await workOff()
  const answer = await get(orderId.toUpperCase())
  expect(answer.statusCode).toBe(200)
  expect(answer.headers).toMatchObject({
    'content-type': 'application/pdf',
    'content-disposition': expect.stringMatching(/^inline; filename="receipt-WEB-[\w-]+\.pdf"$/),
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
  })
  const pdf = readPdf(answer.rawPayload)
  expect(pdf.text).toContain('463,50 €')

  const tag = String(answer.headers.etag)
  for (const had of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const again = await get(orderId, { 'if-none-match': had })
    expect(again.statusCode).toBe(304)
    expect(again.rawPayload).toHaveLength(0)
    expect(again.headers.etag).toBe(tag)
  }
  expect((await get(orderId, { 'if-none-match': `"${'0'.repeat(64)}"` })).statusCode).toBe(200)
})

test('the buyer gets the receipt with the confirmation, the one that can be downloaded', async () => {
  const { simulator, mailWith } = await startMailbox()
  await openShop([mailWith(['receipt']), receiptTarget()], {
    'order.placed': ['confirmation-email', 'receipt'],
  })
  const { orderId } = await shop.placeOrder()
  await workOff()

  const { headers, rawPayload } = await get(orderId)
  const [sent, ...more] = await mailsOf(simulator)
  expect(more).toEqual([])
  expect(sent?.subject).toMatch(/^Bestellbestätigung WEB-/)
  const [, filename] = /filename="(.*)"/.exec(String(headers['content-disposition'])) ?? []
  expect(sent?.attachments).toEqual([
    { filename, contentType: 'application/pdf', bytes: rawPayload.length },
  ])
  const attempts = await shop.attempts(orderId)
  expect(attempts.map(({ target, answer }) => [target, answer])).toMatchObject([
    ['receipt', { value: { pages: 1, bytes: rawPayload.length } }],
    ['confirmation-email', { status: 250, value: { messageId: expect.stringMatching(/^<.*>$/) } }],
  ])
})

test('the mail waits while the receipt is a dead letter, and goes out without it once a person has skipped it', async () => {
  const { orderId, simulator } = await refuseReceipt()
  expect(await shop.deliveries(orderId)).toEqual({
    'confirmation-email': 'waiting',
    receipt: 'dead',
  })
  const messageId = await messageOf(orderId)
  const { db, boss } = shop
  const decision = { messageId, target: 'receipt', decision: 'skip', who: 'ada' } as const
  await decideDelivery({ db, boss }, { ...decision, reason: 'the buyer has one on paper' })
  await workOff()

  expect(await mailsOf(simulator)).toMatchObject([
    { subject: expect.stringMatching(/^Bestellbestätigung WEB-/), attachments: [] },
  ])
  const report = await readOrder(db, { id: orderId })
  expect(report?.state).toBe('completed')
  const mail = report?.deliveries.find(({ target }) => target === 'confirmation-email')
  expect(mail?.attempts).toMatchObject([
    {
      outcome: 'delivered',
      reason: 'sent without the file of receipt, which was skipped',
      answer: { status: 250 },
    },
  ])
  expect((await get(orderId)).json()).toMatchObject({ code: 'receipt-not-found' })
})

test('the mail goes out with a receipt that was refused at first, once it is replayed', async () => {
  const { orderId, simulator, mend } = await refuseReceipt()
  mend()
  const messageId = await messageOf(orderId)
  const { db, boss } = shop
  const decision = { messageId, target: 'receipt', decision: 'try-again', who: 'ada' } as const
  await decideDelivery({ db, boss }, { ...decision, reason: null })
  await workOff()
  expect(await mailsOf(simulator)).toMatchObject([{ attachments: [{ filename: 'receipt.pdf' }] }])
})

test('of an order that is cancelled before its receipt was made, the mail goes out without', async () => {
  const { orderId, simulator } = await refuseReceipt({ withdrawWhenCancelled: true }, 'retrying')
  await shop.addMessage(orderId, 'order.cancelled')
  await workOff()
  const states = (await readOrder(shop.db, { id: orderId }))?.deliveries ?? []
  expect(states.map(({ target, message, state }) => `${target} ${message.kind} ${state}`)).toEqual(
    expect.arrayContaining([
      'receipt order.placed cancelled',
      'receipt order.cancelled cancelled',
      'confirmation-email order.placed delivered',
      'confirmation-email order.cancelled delivered',
    ]),
  )
  expect(await mailsOf(simulator)).toMatchObject([{ attachments: [] }, { attachments: [] }])
})

test('a mail that was under way when attaching the receipt was configured takes it along all the same', async () => {
  const { simulator, mailWith } = await startMailbox()
  let outcome: Outcome = tryAgain('no paper')
  const maker = testTarget('receipt', { call: async () => outcome })
  await openShop([mailWith([]), maker], { 'order.placed': ['confirmation-email', 'receipt'] })
  const { orderId } = await shop.placeOrder()
  await shop.relay()

  const worker = shop.startWorker({ targets: [mailWith(['receipt']), maker] })
  await worker.drained(AbortSignal.timeout(30_000))
  expect(await mailsOf(simulator)).toEqual([])
  expect(await reasonsOf(orderId, 'confirmation-email')).toEqual([
    expect.stringMatching(/^not sent: the file of receipt is still to come, it is /),
  ])
  outcome = madeReceipt
  await eventually(async () => {
    await shop.letTimePass()
    await worker.drained(AbortSignal.timeout(30_000))
    expect(await mailsOf(simulator)).toMatchObject([{ attachments: [{ filename: 'receipt.pdf' }] }])
    return true
  })
})

test('a mail does not wait for a receipt that, by the configuration it was relayed with, waits for the mail', async () => {
  const { simulator, mailWith } = await startMailbox()
  const lists = testTarget('packing-list', { after: ['confirmation-email'] })
  const maker = testTarget('receipt', { after: ['packing-list'] })
  await openShop([mailWith([]), lists, maker], {
    'order.placed': ['confirmation-email', 'packing-list', 'receipt'],
  })
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker({ targets: [mailWith(['receipt']), lists, maker] })
  await worker.drained(AbortSignal.timeout(30_000))
  expect(await mailsOf(simulator)).toMatchObject([{ attachments: [] }])
  expect(await reasonsOf(orderId, 'confirmation-email')).toEqual([
    'sent without the file of receipt, which waits for this mail',
  ])
  expect((await readOrder(shop.db, { id: orderId }))?.state).toBe('completed')
})

test('a cancellation mail does not take along the receipt of the order, of whose cancellation none was made', async () => {
  const { simulator, mailWith } = await startMailbox()
  const maker = testTarget('receipt', {
    call: async ({ message }) =>
      message.kind === 'order.placed' ? madeReceipt : { kind: 'delivered' },
  })
  const told = ['confirmation-email', 'receipt']
  await openShop([mailWith(['receipt']), maker], { 'order.placed': told, 'order.cancelled': told })
  const { orderId } = await shop.placeOrder()
  await workOff()
  await shop.addMessage(orderId, 'order.cancelled')
  await workOff()
  expect(await mailsOf(simulator)).toMatchObject([
    { attachments: [{ filename: 'receipt.pdf' }] },
    { attachments: [] },
  ])
  expect(await reasonsOf(orderId, 'confirmation-email')).toEqual([
    null,
    'sent without the file of receipt, which made none',
  ])
})

test('a mail about what its receipt is not told of takes along the last one that was made of the order', async () => {
  const { simulator, mailWith } = await startMailbox()
  await openShop(
    [mailWith(['receipt']), testTarget('receipt', { call: async () => madeReceipt })],
    {
      'order.placed': ['receipt'],
      'order.cancelled': ['confirmation-email'],
    },
  )
  const { orderId } = await shop.placeOrder()
  await workOff()
  await shop.addMessage(orderId, 'order.cancelled')
  await workOff()
  expect(await mailsOf(simulator)).toMatchObject([{ attachments: [{ filename: 'receipt.pdf' }] }])
})

test('a mail that goes out late takes along the receipt that says what happened to the order since', async () => {
  const { simulator, mailWith } = await startMailbox()
  await behave(simulator, 'mailbox', { outage: true })
  await openShop([mailWith(['receipt']), receiptTarget()], {
    'order.placed': ['confirmation-email', 'receipt'],
    'order.cancelled': ['receipt'],
  })
  const { orderId } = await shop.placeOrder()
  await workOff()
  await shop.addMessage(orderId, 'order.cancelled')
  await workOff()
  expect(await mailsOf(simulator)).toEqual([])
  await behave(simulator, 'mailbox', { outage: false })
  await shop.letTimePass()
  await workOff()
  const { rawPayload } = await get(orderId)
  expect(readPdf(rawPayload).text).toContain('storniert.')
  expect(await mailsOf(simulator)).toMatchObject([{ attachments: [{ bytes: rawPayload.length }] }])
})

test('the receipt of a cancelled order says so, in place of the former', async () => {
  await openShop([receiptTarget()])
  const { orderId } = await shop.placeOrder()
  await workOff()
  const { etag } = (await get(orderId)).headers
  await shop.addMessage(orderId, 'order.cancelled')
  await workOff()
  const answer = await get(orderId, { 'if-none-match': String(etag) })
  expect(answer.statusCode).toBe(200)
  expect(readPdf(answer.rawPayload).text).toContain('storniert.')
})

test.each<[string, Outcome, string, string]>([
  ['failed', tryAgain('no paper'), 'Making it failed, and is tried again.', '10'],
  ['was given up', giveUp('no ink'), 'Making it failed, and waits for a person to look.', '300'],
])(
  'a receipt that %s is not ready, and says when to ask again',
  async (_case, outcome, detail, seconds) => {
    await openShop([testTarget('receipt', { kind: 'receipt', call: async () => outcome })])
    const { orderId } = await shop.placeOrder()
    await shop.relay()
    const worker = shop.startWorker()
    await worker.drained(AbortSignal.timeout(30_000))
    const answer = await get(orderId)
    expect(answer.json()).toMatchObject({ status: 404, code: 'receipt-not-ready', detail })
    expect(answer.headers['retry-after']).toBe(seconds)
  },
)

test('an order that no receipt is made of says so at once, and one that nobody knows', async () => {
  await openShop([receiptTarget(), testTarget('erp')], { 'order.placed': ['erp'] })
  const { orderId } = await shop.placeOrder()
  const none = { code: 'receipt-not-found', detail: 'None was or will be made of this order.' }
  expect((await get(orderId)).json()).toMatchObject(none)
  await workOff()
  expect((await get(orderId)).json()).toMatchObject(none)
  const unknown = await get('0199ad5e-6c1f-7a68-9a5e-0d5b3c3f1a01')
  expect(unknown.json()).toMatchObject({ status: 404, code: 'order-not-found' })
  expect((await get('7')).json()).toMatchObject({ code: 'order-not-found' })
  expect((await app.inject({ url: `/orders/${orderId}/receipt` })).statusCode).toBe(401)
})

test('a receipt is forgotten with the person', async () => {
  await openShop([receiptTarget()])
  const { orderId } = await shop.placeOrder()
  await workOff()
  await forgetPerson(shop.db, {
    person: { email: 'ada@example.com', customerId: null },
    who: 'eva',
    reason: 'asked',
    evenOpen: false,
    dryRun: false,
  })
  expect((await get(orderId)).json()).toMatchObject({
    code: 'receipt-not-found',
    detail: 'The person who ordered was forgotten, and the receipt with them.',
  })
})
