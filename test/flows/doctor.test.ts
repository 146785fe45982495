import { afterEach, beforeEach, expect, test } from 'vitest'

import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import { installPgBoss } from '#queues/open-boss.ts'

import { eventually } from '../support/eventually.ts'
import { startCluster, type Cluster } from '../support/start-cluster.ts'
import {
  connectionString,
  startOrderwheel,
  type OrderwheelProcess,
} from '../support/start-process.ts'
import { writeConfig } from '../support/write-config.ts'

let cluster: Cluster
let config: Awaited<ReturnType<typeof writeConfig>>
let running: OrderwheelProcess[]

beforeEach(async () => {
  running = []
  // Durable, as in production.
  cluster = await startCluster(undefined, {})
  await migrateDatabase(cluster.connection, createLog('test', 'silent'))
  await installPgBoss(cluster.pool)
  await storeDevelopmentKeys(cluster.db)
  config = await writeConfig({
    erp: `custom(async () => ({ kind: 'delivered' }))`,
    mail: `custom(async () => ({ kind: 'delivered' }), { after: ['erp'] })`,
  })
})
afterEach(async () => {
  await Promise.all(running.map((process) => process.stop()))
  await config.remove()
  await cluster.close()
})

test('the doctor finds nothing in a healthy database, idle and under load, and says so with its exit code', async () => {
  const all = start('all')
  const [, url = ''] = await all.said(/listening at (http:\S+?)"/)
  await all.said(/"msg":"worker started"/)
  await all.said(/"msg":"relay started"/)
  expect(await examine()).toMatchObject({ code: 0, report: { findings: [], unseen: [] } })

  let stop = false
  let placed = 0
  const load = Array.from({ length: 16 }, async () => {
    while (!stop) {
      placed += 1
      await placeOrder(url, `WEB-${placed}`)
    }
  })
  try {
    await eventually(() => placed > 500)
    for (let times = 0; times < 3; times += 1)
      expect(await examine()).toMatchObject({ code: 0, report: { findings: [], unseen: [] } })
  } finally {
    stop = true
    await Promise.all(load)
  }
  const answer = await fetch(`${url}/ops/doctor`, {
    headers: { authorization: 'Bearer ow_dev_operator' },
  })
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ findings: [], well: expect.any(Array), unseen: [] })
})

test('the doctor names what is wrong, with why and what mends it, and ends with 1', async () => {
  await cluster.pool.query('alter table orderwheel.outbox set (autovacuum_enabled = off)')
  const doctor = start('doctor')
  expect(await doctor.ended).toBe(1)
  expect(doctor.output()).toMatch(
    /error: Autovacuum is off for orderwheel\.outbox\. \[autovacuum-off\]\n {2}Why: .+\n {2}Fix: {2}alter table orderwheel\.outbox reset \(autovacuum_enabled\);/,
  )
  expect(doctor.output()).toContain('Examined and found well:\n')
})

test('the doctor looks at what it can without the configuration', async () => {
  const doctor = startOrderwheel(['doctor'], {
    DATABASE_URL: connectionString(cluster.connection),
    ORDERWHEEL_CONFIG: 'orderwheel.config.ts',
  })
  await doctor.ended
  expect(doctor.output()).toContain(
    'orderwheel.config.ts has 6 mistakes; "orderwheel check" says more',
  )
  expect(doctor.output()).toContain('Examined and found well:\n')
})

function start(command: string): OrderwheelProcess {
  const started = startOrderwheel(command.split(' '), {
    DATABASE_URL: connectionString(cluster.connection),
    ORDERWHEEL_CONFIG: config.path,
    PORT: '0',
  })
  if (command === 'all') running.push(started)
  return started
}

async function examine() {
  const doctor = start('doctor --json')
  const code = await doctor.ended
  return { code, report: JSON.parse(doctor.output()) as unknown }
}

async function placeOrder(url: string, externalId: string): Promise<void> {
  const answer = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer ow_dev_storefront',
      'content-type': 'application/json',
      'idempotency-key': externalId,
    },
    body: JSON.stringify(exampleOrder(externalId)),
  })
  if (answer.status !== 202) throw new Error(await answer.text())
  await answer.body?.cancel()
}
