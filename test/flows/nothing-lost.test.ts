import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { repairFinding } from '#verify/repair.ts'

import { eventually } from '../support/eventually.ts'
import {
  connectionString,
  type OrderwheelProcess,
  startOrderwheel,
} from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { verifyShop } from '../support/verify-shop.ts'
import { writeConfig } from '../support/write-config.ts'

let shop: TestShop
let config: Awaited<ReturnType<typeof writeConfig>>
let placed: string[]
const processes = new Map<string, OrderwheelProcess>()

beforeEach(async () => {
  placed = []
  shop = await openTestShop([testTarget('erp'), testTarget('mail')])
  config = await writeConfig({
    // Slow enough that there is always something under way, and failing now and then.
    erp: `custom(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      if (Math.random() < 0.1) throw new Error('HTTP 503')
    }, { concurrency: 3, retry: { delaySeconds: 1, maxDelaySeconds: 1, attempts: 500 }, circuit: false })`,
    mail: `custom(async () => {}, { after: ['erp'] })`,
  })
})
afterEach(async () => {
  await Promise.all([...processes.values()].map((one) => one.stop()))
  processes.clear()
  await shop.close()
  await config.remove()
})

function start(name: string) {
  const environment = {
    DATABASE_URL: connectionString(shop.connection),
    ORDERWHEEL_CONFIG: config.path,
  }
  processes.set(name, startOrderwheel([name.split(' ')[0] ?? ''], environment))
}

async function kill(name: string) {
  await processes.get(name)?.stop('SIGKILL')
}

async function place(count: number) {
  for (let n = 0; n < count; n += 1) placed.push((await shop.placeOrder()).orderId)
}

async function expectAllDelivered() {
  await eventually(
    async () => {
      const { rows } = await sql<{ delivered: number }>`
        select count(*)::int as delivered from orderwheel.deliveries where state = 'delivered'`.execute(
        shop.db,
      )
      return rows[0]?.delivered === placed.length * 2
    },
    { withinSeconds: 100 },
  )
}

test('workers and relays are killed under load, and whenever it is asked nothing is lost', async () => {
  const names = ['relay 1', 'worker 1', 'worker 2']
  for (const name of names) start(name)
  for (const victim of ['worker 1', 'relay 1', 'worker 2', 'relay 1', 'worker 1']) {
    await place(25)
    expect(await verifyShop(shop.db)).toMatchObject({ lost: 0, disorders: 0, findings: [] })
    await processes.get(victim)?.said(/started/)
    await place(25)
    await kill(victim)
    for (const isFull of [true, false])
      expect(await verifyShop(shop.db, { isFull })).toMatchObject({ lost: 0, findings: [] })
    start(victim)
  }
  await expectAllDelivered()
  expect(await verifyShop(shop.db, { isFull: true })).toMatchObject({
    lost: 0,
    stuck: 0,
    disorders: 0,
    checked: placed.length,
    findings: [],
  })
}, 240_000)

test('a job that somebody deletes in the middle of the load is the one that is found, and mended', async () => {
  start('relay 1')
  start('worker 1')
  await place(200)
  const deleted = await eventually(async () => {
    const { rows } = await sql<{ id: string; name: string }>`
      delete from pgboss.job where name = 'erp' and state = 'created' and id = (
        select id from pgboss.job where name = 'erp' and state = 'created'
         order by created_on desc limit 1 for update skip locked)
      returning id, name`.execute(shop.db)
    return rows[0]
  })
  const found = await verifyShop(shop.db)
  expect(found.findings).toMatchObject([
    { kind: 'job-missing', messageId: deleted.id, target: 'erp' },
  ])
  expect(found.lost).toBe(1)

  for (const finding of found.findings)
    await repairFinding({ ...shop, who: 'eva', afterOf: () => undefined }, finding)
  expect(await verifyShop(shop.db)).toMatchObject({ lost: 0, findings: [] })
  await expectAllDelivered()
  expect(await verifyShop(shop.db, { isFull: true })).toMatchObject({ lost: 0, findings: [] })
}, 240_000)
