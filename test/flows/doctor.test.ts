import { afterEach, beforeEach, expect, test } from 'vitest'

import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { createLog } from '#base/log.ts'
import { migrateDatabase } from '#database/migrate.ts'
import type { DoctorReport } from '#doctor/run-doctor.ts'
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

test('the doctor needs no secrets of the configuration: it looks at the queues of all targets', async () => {
  const { code, report } = await examineBy('orderwheel.config.ts')
  expect(code).toBe(1)
  expect(report).toMatchObject({ unseen: [] })
  const missing = report.findings.filter(({ kind }) => kind === 'queue-missing')
  expect(missing.map(({ what }) => what.split(' ')[1])).toEqual([
    'erp',
    'erp.dead',
    'receipt',
    'receipt.dead',
    'confirmation-email',
    'confirmation-email.dead',
    'partner-webhook',
    'partner-webhook.dead',
    ...['inventory-eu', 'inventory-us', 'inventory-asia', 'crm', 'shipping', 'sms', 'push'].flatMap(
      (name) => [name, `${name}.dead`],
    ),
    'audit',
    'audit.dead',
    'analytics',
    'analytics.dead',
    'payment',
    'payment.dead',
    'reports',
    'reports.dead',
  ])
})

test('without any configuration the doctor says what it could not look at, and looks at the rest', async () => {
  const { report } = await examineBy('nowhere.config.ts')
  expect(report.unseen).toEqual([
    {
      subject: 'a queue for each target that lasts as long as its retries, and none besides',
      reason: expect.stringMatching(
        /^There is no configuration file nowhere\.config\.ts\. .*; "orderwheel check" says more$/,
      ),
    },
  ])
  expect(report.well).toContain('the outbox, and whether it moves')
})

test('without a database the doctor says which variable names it', async () => {
  const doctor = startOrderwheel(['doctor'], { ORDERWHEEL_CONFIG: config.path })
  expect(await doctor.ended).toBe(1)
  expect(doctor.output()).toMatch(/^DATABASE_URL is not set: give a PostgreSQL 18 as postgresql:/)
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

function examine() {
  return examineBy(config.path)
}

async function examineBy(configFile: string) {
  const doctor = startOrderwheel(['doctor', '--json'], {
    DATABASE_URL: connectionString(cluster.connection),
    ORDERWHEEL_CONFIG: configFile,
  })
  const code = await doctor.ended
  return { code, report: JSON.parse(doctor.output()) as DoctorReport }
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
