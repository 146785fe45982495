import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { checkConfig } from '#config/check-config.ts'
import { defineConfig, email, giveUp, http } from '#config/index.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'
import type { Target } from '#targets/target.ts'

import { behave, mailsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { openTestShop, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
let targets: Target[] = []
let erp: Server | undefined
let simulator: Simulator | undefined

afterEach(async () => {
  await shop.close()
  await Promise.all(targets.map((target) => target.close()))
  erp?.closeAllConnections()
  erp?.close()
  await simulator?.stop()
  erp = simulator = undefined
})

type Handle = (request: IncomingMessage, response: ServerResponse) => void

/** A real ERP that answers with these in turn, the last one for ever; answers the requests it saw. */
async function openShopWithErp(
  handlers: Handle[],
  options: Partial<Parameters<typeof http>[0]> = {},
) {
  const requests: { key: string | undefined }[] = []
  erp = createServer((request, response) => {
    const key = request.headers['idempotency-key']
    const handle = handlers[Math.min(requests.length, handlers.length - 1)]
    requests.push({ key: typeof key === 'string' ? key : undefined })
    request.resume().on('end', () => handle?.(request, response))
  })
  await new Promise<void>((resolve) => erp?.listen(0, '127.0.0.1', resolve))
  const { port } = erp.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/orders`
  await open({ erp: http({ url, ...options }) })
  return requests
}

async function open(definitions: Parameters<typeof defineConfig>[0]['targets']) {
  const routes = { 'order.placed': Object.keys(definitions) }
  const config = checkConfig(defineConfig({ targets: definitions, routes }), {
    file: 'test',
    environment: {},
    directory: import.meta.dirname,
  })
  targets = config.targets
  shop = await openTestShop(config.targets, config.routes)
}

const answer =
  (status: number, body = '', headers: Record<string, string> = {}): Handle =>
  (_, response) =>
    response.writeHead(status, headers).end(body)

async function placeAndStart(): Promise<string> {
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker({ stopSeconds: 2 })
  return orderId
}

const attempted = (orderId: string, times: number) =>
  eventually(async () => {
    const attempts = await shop.attempts(orderId)
    return attempts.length === times && attempts
  })

const becomes = (orderId: string, target: string, state: string) =>
  eventually(async () => (await shop.deliveries(orderId))[target] === state)

test('the ERP answers 500 twice, then 200: told the third time, with the same key', async () => {
  const requests = await openShopWithErp([answer(500), answer(500), answer(200)])
  const orderId = await placeAndStart()
  for (const times of [1, 2]) {
    await attempted(orderId, times)
    await shop.letTimePass()
  }
  await becomes(orderId, 'erp', 'delivered')
  expect(requests).toHaveLength(3)
  expect(new Set(requests.map((request) => request.key)).size).toBe(1)
})

test('the ERP answers 429 with Retry-After: 3: it is called again after 3 seconds, not before', async () => {
  await openShopWithErp([answer(429, '', { 'retry-after': '3' }), answer(200)])
  const orderId = await placeAndStart()
  await attempted(orderId, 1)
  await becomes(orderId, 'erp', 'delivered')
  const { rows } = await sql<{ gap: number }>`
    select extract(epoch from max(started_at) - min(started_at))::float8 as gap
      from orderwheel.delivery_attempts`.execute(shop.db)
  // What may not be shorter; how much longer it takes is the machine's affair.
  expect(rows[0]?.gap).toBeGreaterThanOrEqual(3)
})

test('the ERP answers 422 for ever: given up after one call, a dead letter says what it answered', async () => {
  const requests = await openShopWithErp([answer(422, 'no such article')])
  const orderId = await placeAndStart()
  await becomes(orderId, 'erp', 'dead')
  expect(requests).toHaveLength(1)
  const letter = await shop.db
    .selectFrom('orderwheel.dead_letters')
    .selectAll()
    .executeTakeFirstOrThrow()
  expect(letter.attempts).toMatchObject([{ answer: { status: 422, text: 'no such article' } }])
})

test('the ERP never answers: the call ends at its deadline and is made again', async () => {
  const requests = await openShopWithErp([() => {}, answer(200)], { timeoutSeconds: 1 })
  const orderId = await placeAndStart()
  const [first] = await attempted(orderId, 1)
  expect(first?.outcome).toBe('try-again')
  await shop.letTimePass()
  await becomes(orderId, 'erp', 'delivered')
  expect(requests[1]?.key).toBe(requests[0]?.key)
})

test('the ERP answers 200 with an error in the body: the target’s answer function decides', async () => {
  await openShopWithErp([answer(200, '{"error":{"message":"unknown customer"}}')], {
    answer: ({ text }) => (text.includes('error') ? giveUp('unknown customer') : undefined),
  })
  const orderId = await placeAndStart()
  await becomes(orderId, 'erp', 'dead')
  expect((await shop.attempts(orderId))[0]?.reason).toBe('unknown customer')
})

const hangUp: Handle = (request) => request.socket.destroy()

test('the ERP closes the connection after reading the request: an idempotent one is called again', async () => {
  const requests = await openShopWithErp([hangUp, answer(200)])
  const orderId = await placeAndStart()
  await attempted(orderId, 1)
  await shop.letTimePass()
  await becomes(orderId, 'erp', 'delivered')
  expect(requests).toHaveLength(2)
})

test('the same on an ERP that is not idempotent: a person decides, it is not called twice', async () => {
  const requests = await openShopWithErp([hangUp], { idempotent: false })
  const orderId = await placeAndStart()
  await becomes(orderId, 'erp', 'uncertain')
  expect(requests).toHaveLength(1)
})

test('a worker is stopped while the ERP hangs: the call is handed back and costs no attempt', async () => {
  const retry = { attempts: 1 }
  const requests = await openShopWithErp([() => {}, answer(200)], { retry })
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker({ stopSeconds: 2.1 })
  await eventually(() => requests.length === 1)
  await worker.stop()
  expect((await shop.attempts(orderId)).map((a) => a.outcome)).toEqual(['handed-back'])
  shop.startWorker({ stopSeconds: 2 })
  await becomes(orderId, 'erp', 'delivered')
})

async function openShopWithMail() {
  simulator = await startSimulator({
    port: 0,
    smtpPort: 0,
    speed: 100,
    log: createLog('test', 'silent'),
  })
  const smtp = simulator.smtpUrl
  const from = 'Shop <orders@shop.example>'
  await open({ 'confirmation-email': email({ template: 'order-confirmation', from, smtp }) })
  return simulator
}

test('SMTP refuses the recipient for good: given up at once, with the reply', async () => {
  const mail = await openShopWithMail()
  await behave(mail, 'mailbox', { status: 550 })
  const orderId = await placeAndStart()
  await becomes(orderId, 'confirmation-email', 'dead')
  const [attempt] = await shop.attempts(orderId)
  expect(attempt?.answer).toMatchObject({ status: 550 })
})

test('SMTP is down for a while: the confirmation is sent once, when it is back', async () => {
  const mail = await openShopWithMail()
  await behave(mail, 'mailbox', { outage: true })
  const orderId = await placeAndStart()
  expect((await attempted(orderId, 1))[0]?.outcome).toBe('try-again')
  await behave(mail, 'mailbox', { outage: false })
  await shop.letTimePass()
  await becomes(orderId, 'confirmation-email', 'delivered')
  expect(await mailsOf(mail)).toHaveLength(1)
})
