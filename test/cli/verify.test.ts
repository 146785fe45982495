import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { claimVerification } from '#verify/claim-verification.ts'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { writeConfig } from '../support/write-config.ts'

let shop: TestShop
let config: Awaited<ReturnType<typeof writeConfig>>

beforeEach(async () => {
  shop = await openTestShop([testTarget('erp')])
  config = await writeConfig({ erp: `custom(async () => ({ kind: 'delivered' }))` })
})
afterEach(async () => {
  await shop.close()
  await config.remove()
})

async function run(...args: string[]) {
  const command = startOrderwheel(args, {
    DATABASE_URL: connectionString(shop.connection),
    ORDERWHEEL_CONFIG: config.path,
  })
  return { code: await command.ended, output: command.output() }
}

test('verify says 0 lost and how many it has checked, and exits 0', async () => {
  await shop.placeOrder()
  await shop.placeOrder()
  await shop.relay()
  const first = await run('verify')
  expect(first.output).toMatch(/^0 lost, 2 checked \(everything, [\d.]+ s\)\n$/)
  expect(first.code).toBe(0)
  const { output } = await run('verify', '--json')
  expect(JSON.parse(output)).toMatchObject({ lost: 0, checked: 2, full: false, findings: [] })
  expect((await run('verify', '--full', '--json')).output).toContain('"full":true')
})

test('verify names each case with the command that mends it, and exits 1 until it is mended', async () => {
  const { messageId } = await shop.placeOrder()
  await shop.relay()
  await sql`delete from pgboss.job where id = ${messageId}`.execute(shop.db)

  const { code, output } = await run('verify')
  expect(code).toBe(1)
  expect(output).toMatch(
    /^lost: order WEB-\S+ erp \(order.placed\): it is to be told, and has no job, job-missing since \d{4}-.*Z\n {2}orderwheel verify --repair --only job-missing\n1 lost, 1 checked/,
  )
  const repaired = await run('verify', '--repair', '--only', 'job-missing')
  expect(repaired.output).toMatch(/^Repair: 1 mended\.\n0 lost, 1 checked/)
  expect(repaired.code).toBe(0)
})

test('verify --repair takes from the configuration what a missing delivery comes after', async () => {
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  await sql`delete from orderwheel.deliveries where message_id = ${messageId}`.execute(shop.db)
  await sql`delete from pgboss.job`.execute(shop.db)

  const { output, code } = await run('verify', '--repair', '--json')
  expect(JSON.parse(output)).toMatchObject({ lost: 0, repairs: { mended: 1, failed: [] } })
  expect(code).toBe(0)
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'queued' })
})

test('verify waits for its turn, also when who had it before was killed', async () => {
  await claimVerification(shop.db, 'relay of a dead host')
  const waiting = startOrderwheel(['verify'], {
    DATABASE_URL: connectionString(shop.connection),
  })
  await waiting.said(/relay of a dead host is verifying at the moment, waiting/)
  await sql`
    update orderwheel.verify_state set claimed_until = claimed_until - interval '1 minute'`.execute(
    shop.db,
  )
  expect(await waiting.ended).toBe(0)
})

test('verify refuses what it does not know', async () => {
  expect(await run('verify', '--only', 'job-missing')).toMatchObject({ code: 2 })
  const { output } = await run('verify', '--repair', '--only', 'job-misssing')
  expect(output).toContain('did you mean job-missing?')
})
