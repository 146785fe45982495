import { readFileSync } from 'node:fs'

import { sql } from 'kysely'
import { afterEach, expect, test } from 'vitest'

import { raiseAlert } from '#alerts/raise-alert.ts'
import { onlyDeployment } from '#base/deployment.ts'
import { writeExposition } from '#http/metrics/write-exposition.ts'
import { claimOwnership } from '#owner/write-owner.ts'

import { openTestShop, testTarget } from '../support/test-shop.ts'
import { verifyShop } from '../support/verify-shop.ts'
import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
afterEach(() => api.close())

/** What a scraper reads, by name and labels. */
async function scrape(headers: Record<string, string> = {}): Promise<Map<string, number>> {
  const { text, headers: answered } = await send(`${api.url}/metrics`, { headers })
  expect(answered.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    samples.map((line) => {
      const [, name = '', value] = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
      return [name, Number(value)]
    }),
  )
}

test('metrics tell of orders, the relay, targets, the last verification and alerts', async () => {
  let now = Date.now()
  api = await startTestApi({ now: () => now })
  await sql`insert into orderwheel.targets (name, kind, concurrency) values ('erp', 'http', 5)`.execute(
    api.db,
  )
  const idempotencyKey = 'once'
  const order = newOrder()
  await api.post(order, { idempotencyKey })
  await api.post(order, { idempotencyKey })
  await api.post({})
  const before = await scrape()
  expect(before.get('orderwheel_orders_total{answer="accepted"}')).toBe(1)
  expect(before.get('orderwheel_orders_total{answer="replayed"}')).toBe(1)
  expect(before.get('orderwheel_orders_total{answer="refused"}')).toBe(1)
  expect(before.get('orderwheel_relay_messages')).toBe(1)
  expect(before.get('orderwheel_relay_lag_seconds')).toBeGreaterThan(0)
  expect(before.get('orderwheel_target_deliveries{target="erp",state="queued"}')).toBe(0)
  expect(before.has('orderwheel_verify_lost')).toBe(false)

  await sql`delete from orderwheel.outbox`.execute(api.db)
  await verifyShop(api.db)
  await raiseAlert(api.db, { kind: 'dead-letters', subject: 'erp', text: 'x' })
  expect((await scrape()).has('orderwheel_verify_lost')).toBe(false)
  now += 2_001
  const after = await scrape()
  expect(after.get('orderwheel_verify_lost')).toBe(1)
  expect(after.get('orderwheel_verify_checked_orders')).toBe(1)
  expect(after.get('orderwheel_verify_age_seconds')).toBeLessThan(60)
  expect(after.get('orderwheel_alerts_open{kind="dead-letters"}')).toBe(1)
  expect(after.get('orderwheel_alerts_open{kind="verify.lost"}')).toBe(1)
})

test('metrics tell what was shed, who is not called, and what a person has to look at', async () => {
  const analytics = testTarget('analytics', { droppable: { maxOpen: 2 } })
  const shop = await openTestShop([testTarget('erp'), analytics])
  try {
    const { db, pool } = shop
    let now = Date.now()
    api = await startTestApi({ db, pool, now: () => now })
    const before = await scrape()
    for (const name of ['payments_unknown', 'relay_refused', 'deliveries_shed_total{target="erp"}'])
      expect(before.get(`orderwheel_${name}`)).toBe(0)
    const placed = await Promise.all([1, 2, 3, 4, 5].map(() => shop.placeOrder()))
    await shop.relay()
    await shop.addMessage(placed[0]?.orderId ?? '', 'order.plcaed')
    await shop.relay()
    await sql`
      insert into orderwheel.payments (order_id, external_id, provider, mode, token)
      select id, external_id, 'cards', 'capture', 'tok' from orderwheel.orders limit 3`.execute(db)
    await sql`update orderwheel.targets set paused_at = now(), paused_by = 'eva', pause_reason = 'x' where name = 'erp'`.execute(
      db,
    )
    await sql`update orderwheel.targets set circuit = 'open', circuit_since = now(), circuit_reason = 'x' where name = 'analytics'`.execute(
      db,
    )
    await sql`
      insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts)
      select message_id, target, order_id, 'x', '[]' from orderwheel.deliveries where target = 'erp' limit 1`.execute(
      db,
    )
    await verifyShop(db)
    now += 2_001
    const after = await scrape()
    const read = (name: string) => after.get(`orderwheel_${name}`)
    expect(read('deliveries_shed_total{target="analytics"}')).toBe(3)
    expect(read('deliveries_shed_total{target="erp"}')).toBe(0)
    expect(read('target_sheds{target="analytics"}')).toBe(1)
    expect(read('target_sheds{target="erp"}')).toBe(0)
    expect(read('payments_unknown')).toBe(3)
    expect(read('relay_refused')).toBe(1)
    expect(read('target_paused{target="erp"}')).toBe(1)
    expect(read('target_paused{target="analytics"}')).toBe(0)
    expect(read('target_circuit_closed{target="erp"}')).toBe(1)
    expect(read('target_circuit_closed{target="analytics"}')).toBe(0)
    expect(read('target_dead_letters{target="erp"}')).toBe(1)
    expect(read('target_oldest_seconds{target="erp"}')).toBeGreaterThan(0)
    expect(read('target_delivered_last_minute{target="erp"}')).toBe(0)
    expect(read('verify_stuck')).toBe(1)
  } finally {
    await shop.close()
  }
})

test('metrics tell whether targets are called from this database', async () => {
  const deployment = { ...onlyDeployment, environment: 'production' }
  let now = Date.now()
  api = await startTestApi({ deployment, now: () => now })
  await claimOwnership(api.db, deployment, 'worker')
  expect((await scrape()).get('orderwheel_delivers')).toBe(1)
  await sql`update orderwheel.installation set owned_by = 'restored'`.execute(api.db)
  now += 2_001
  expect((await scrape()).get('orderwheel_delivers')).toBe(0)
})

test('every metric has a row in docs/metrics.md, and no other has', async () => {
  api = await startTestApi()
  const { text } = await send(`${api.url}/metrics`)
  const named = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (gauge|counter) /gm)]
  expect(rows.map(([, name, type]) => [name, type])).toEqual(named)
})

test('metrics can be guarded by a token', async () => {
  api = await startTestApi({ metricsToken: 'm3tr1cs' })
  for (const authorization of ['', 'Bearer wrong', `Bearer ${api.key}`]) {
    const refused = await send(`${api.url}/metrics`, { headers: { authorization } })
    expect(refused).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
  }
  expect((await scrape({ authorization: 'Bearer m3tr1cs' })).size).toBeGreaterThan(5)
})

test('label values and help texts are escaped as the format says', async () => {
  api = await startTestApi()
  const metric = {
    name: 'a_total',
    type: 'counter',
    help: 'back\\slash,\nnew "line"',
    samples: [
      { labels: { path: 'C:\\x', text: 'say "hi"\n' }, value: 1.5e300 },
      { value: Number.POSITIVE_INFINITY },
      { value: null },
    ],
  } as const
  expect(writeExposition([metric])).toBe(
    [
      '# HELP a_total back\\\\slash,\\nnew "line"',
      '# TYPE a_total counter',
      'a_total{path="C:\\\\x",text="say \\"hi\\"\\n"} 1.5e+300',
      'a_total +Inf',
      '',
    ].join('\n'),
  )
})
