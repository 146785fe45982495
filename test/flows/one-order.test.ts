import { afterAll, beforeAll, expect, test } from 'vitest'

import { behave, callsOf, mailsOf } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { type DemoStore, startDemoStore } from '../support/start-demo-store.ts'

let store: DemoStore
beforeAll(async () => {
  store = await startDemoStore()
})
afterAll(() => store.stop())

test('an order goes all the way, the email after the ERP and with the receipt, and what each answered can be seen', async () => {
  const placed = await store.post('WEB-10042')
  expect(placed.status).toBe(202)
  const order = await eventually(async () => {
    const answer = await store.read('WEB-10042')
    return answer.state === 'completed' && answer
  })

  const answers = order.deliveries.map(({ target, attempts }) => [target, attempts[0]?.answer])
  expect(Object.fromEntries(answers)).toMatchObject({
    erp: { status: 201, text: expect.stringContaining('erpNumber') },
    receipt: { value: { number: 'WEB-10042', pages: 1 } },
    'confirmation-email': { status: 250 },
    'partner-webhook': { status: 200 },
    'inventory-asia': { status: 200 },
    shipping: { status: 200, value: { label: expect.stringMatching(/^LBL-/), days: '2' } },
    analytics: { status: expect.any(Number) },
  })
  const [call] = await callsOf(store.simulator, 'erp')
  const [sms] = await callsOf(store.simulator, 'sms')
  expect(new URLSearchParams(sms?.rawBody ?? '').get('Body')).toBe(
    'Thank you! Order WEB-10042 arrives in 2 days.',
  )
  const [mail] = await mailsOf(store.simulator)
  expect(mail?.subject).toContain('WEB-10042')
  expect(mail?.text).toMatch(/463,50\s€/)
  expect(mail?.attachments).toMatchObject([{ filename: 'receipt-WEB-10042.pdf' }])
  expect(Date.parse(mail?.receivedAt ?? '')).toBeGreaterThan(Date.parse(call?.at ?? ''))

  const story = await store.run('order', 'WEB-10042')
  for (const word of ['order.placed', 'erp', 'confirmation-email', '201', '250', 'erpNumber']) {
    expect(story).toContain(word)
  }
})

test('relay and worker are woken in turn, without waiting for a poll', async () => {
  const { rows } = await store.database.pool.query<{ application_name: string; query: string }>(
    `select application_name, query from pg_stat_activity
      where datname = current_database() and query ilike 'listen%' order by 1`,
  )
  expect(rows).toEqual([
    { application_name: 'orderwheel-relay-listen', query: 'listen orderwheel_outbox' },
    {
      application_name: 'orderwheel-worker-listen',
      query: 'listen orderwheel_jobs; listen orderwheel_targets; listen orderwheel_replays',
    },
  ])

  const heard: Record<string, string[]> = { orderwheel_outbox: [], orderwheel_jobs: [] }
  const listener = await store.database.pool.connect()
  listener.on('notification', ({ channel, payload = '' }) => heard[channel]?.push(payload))
  await listener.query('listen orderwheel_outbox; listen orderwheel_jobs')
  try {
    await store.post('RINGS')
    await eventually(async () => (await store.read('RINGS')).state === 'completed')
  } finally {
    listener.release(true)
  }
  expect(heard.orderwheel_outbox).toEqual([''])
  const [first, ...later] = heard.orderwheel_jobs ?? []
  expect(first).toBe(
    'erp,receipt,partner-webhook,inventory-eu,inventory-us,inventory-asia,crm,shipping,audit,analytics',
  )
  const released = later.flatMap((names) => names.split(','))
  expect(released.toSorted()).toEqual(['confirmation-email', 'push', 'sms'])
})

test('a storefront gets its answer while the ERP never gives one, and while it is down', async () => {
  for (const behaviour of [{ hang: true }, { hang: false, outage: true }]) {
    await behave(store.simulator, 'erp', behaviour)
    const name = 'hang' in behaviour && behaviour.hang ? 'HANGS' : 'DOWN'
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => store.post(`${name}-${n}`)),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(30).fill(202))
    await eventually(async () => {
      const { deliveries } = await store.read(`${name}-29`)
      return deliveries.find(({ target }) => target === 'partner-webhook')?.state === 'delivered'
    })
    const { deliveries } = await store.read(`${name}-0`)
    expect(deliveries.find(({ target }) => target === 'erp')?.state).not.toBe('delivered')
  }
  await behave(store.simulator, 'erp', { hang: false, outage: false })
})

test('a DBA sees every table and column of schema orderwheel explained', async () => {
  const { rows } = await store.database.pool.query<{ name: string }>(`
    select c.relname || coalesce('.' || a.attname, '') as name
      from pg_class c
      left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'orderwheel'::regnamespace and c.relkind in ('r', 'v', 'p')
       and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)`)
  expect(rows).toEqual([])
  const reader = await store.database.pool.query<{ name: string }>(`
    select table_name as name from information_schema.role_table_grants
     where grantee = 'orderwheel_reader' order by 1`)
  expect(reader.rows.map((row) => row.name)).toEqual([
    'dead_letter_groups',
    'order_timeline',
    'stuck_deliveries',
    'target_health',
  ])
})
