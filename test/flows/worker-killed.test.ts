import { afterEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'

import { behave, callsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import {
  connectionString,
  type OrderwheelProcess,
  startOrderwheel,
} from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
let simulator: Simulator
const workers: OrderwheelProcess[] = []

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()))
  await simulator.stop()
  await shop.close()
})

test('a worker killed while it calls the ERP: the order still arrives, with the same Idempotency-Key', async () => {
  simulator = await startSimulator({ port: 0, smtpPort: 0, log: createLog('test', 'silent') })
  const names = ['erp', 'receipt', 'confirmation-email', 'partner-webhook', 'analytics']
  shop = await openTestShop(
    names.map((name) => testTarget(name)),
    { 'order.placed': ['erp'] },
  )
  await behave(simulator, 'erp', { hang: true })
  const { orderId } = await shop.placeOrder()
  await shop.relay()

  const killed = startWorker()
  await eventually(async () => (await callsOf(simulator, 'erp')).length === 1)
  await killed.stop('SIGKILL')
  await behave(simulator, 'erp', { hang: false, latencyMs: 0 })
  startWorker()
  await eventually(async () => (await shop.deliveries(orderId))['erp'] === 'delivered', {
    withinSeconds: 40,
  })

  const [first, second, ...more] = await callsOf(simulator, 'erp')
  expect(more).toEqual([])
  expect(first?.answered).toBeNull()
  expect(second?.answered).toBe(201)
  expect(second?.idempotencyKey).toBe(first?.idempotencyKey)
  expect((await shop.attempts(orderId)).map((attempt) => attempt.outcome)).toEqual([
    'abandoned',
    'delivered',
  ])
})

function startWorker(): OrderwheelProcess {
  const worker = startOrderwheel(['worker', '--target', 'erp'], {
    DATABASE_URL: connectionString(shop.connection),
    ...simulatedVariables(simulator),
  })
  workers.push(worker)
  return worker
}
