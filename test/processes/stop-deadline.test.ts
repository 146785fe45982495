import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { startSimulator } from '#simulator/start-simulator.ts'

import { behave, callsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget } from '../support/test-shop.ts'

const source = `
  import { defineConfig, env, http } from 'orderwheel'
  export default defineConfig({
    targets: { letters: http({ url: env('LETTERS_URL'), timeoutSeconds: 60, idempotent: false }) },
    routes: { 'order.placed': ['letters'] },
  })`

test('a worker says what a stop does to long calls, and stops within the seconds it was given', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-stop-'))
  stack.defer(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'shop.config.ts'), source)
  const log = createLog('test', 'silent')
  const simulator = await startSimulator({ port: 0, smtpPort: 0, log })
  stack.defer(() => simulator.stop())
  const shop = await openTestShop([testTarget('letters')])
  stack.defer(() => shop.close())
  await behave(simulator, 'erp', { hang: true })
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  const worker = startOrderwheel(['worker'], {
    DATABASE_URL: connectionString(shop.connection),
    ORDERWHEEL_CONFIG: join(folder, 'shop.config.ts'),
    LETTERS_URL: `${simulator.url}/erp`,
    ORDERWHEEL_STOP_SECONDS: '3',
  })
  stack.defer(async () => void (await worker.stop('SIGKILL')))

  await worker.said(
    /"level":"warn".*letters \(up to 60 s\) get 1 s; those cut short leave deliveries uncertain/,
  )
  await eventually(async () => (await callsOf(simulator, 'erp')).length === 1)
  worker.child.kill('SIGTERM')

  // With the default of 10 s the call alone would get 8.
  await eventually(() => worker.child.exitCode !== null, { withinSeconds: 7 })
  expect(worker.child.exitCode).toBe(0)
  expect(await shop.deliveries(orderId)).toEqual({ letters: 'uncertain' })
})
