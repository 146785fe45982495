import { afterEach, expect, test } from 'vitest'

import { giveUp } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { nobodyCalled } from '../support/nobody-called.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

test('dead letters of one kind are given up with a reason, and what waited for them is told', async () => {
  const told: string[] = []
  const bad = new Set<string>()
  shop = await openTestShop([
    testTarget('erp', {
      circuit: null,
      call: async ({ order }) =>
        bad.has(order.id) ? giveUp('answered 422 UNKNOWN_SKU') : giveUp('answered 400'),
    }),
    testTarget('email', {
      after: ['erp'],
      call: async ({ order }) => {
        told.push(order.id)
        return { kind: 'delivered' }
      },
    }),
  ])
  for (let n = 0; n < 5; n += 1) bad.add((await shop.placeOrder()).orderId)
  const { orderId: other } = await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker()
  worker.wake()
  await eventually(async () => (await countLetters('resolved_at is null')) === 6)
  expect(told).toEqual([])

  const { code, output } = await run('discard', '--error', 'unknown_sku', '--reason', 'test orders')
  expect(output).toMatch(/^5 of 5 discarded\. /m)
  expect(code).toBe(0)

  await eventually(() => told.length === 5)
  expect(new Set(told)).toEqual(bad)
  expect(await shop.deliveries(other)).toMatchObject({ erp: 'dead', email: 'waiting' })
  expect(await countLetters(`resolution = 'discarded' and comment = 'test orders'`)).toBe(5)
  const { rows } = await shop.pool.query(
    `select action, reason, details->>'total' as total, details->'filter' as filter from orderwheel.audit_log
      where action like 'discard.%'`,
  )
  expect(rows).toEqual([
    {
      action: 'discard.requested',
      reason: 'test orders',
      total: '5',
      filter: { error: 'unknown_sku' },
    },
  ])
})

test('what was discarded is neither replayed nor discarded again', async () => {
  shop = await openTestShop([testTarget('erp', { call: async () => giveUp('answered 422') })])
  await shop.placeOrder()
  await shop.relay()
  shop.startWorker().wake()
  await eventually(async () => (await countLetters('resolved_at is null')) === 1)
  const { rows } = await shop.pool.query<{ id: string }>('select id from orderwheel.dead_letters')
  const id = rows[0]?.id ?? ''
  expect((await run('discard', id, '--reason', 'a test')).code).toBe(0)

  const sentence = /^It was discarded by \S+ at .*Z \(replay .*\): a test\.$/m
  for (const args of [
    ['replay', id],
    ['discard', id, '--reason', 'again'],
  ]) {
    const { code, output } = await run(...args)
    expect(output).toMatch(sentence)
    expect(code).toBe(1)
  }
})

test.each([
  [['discard', '--all'], 'it needs --reason, for example --reason "test orders"'],
  [
    ['discard', '--reason', 'x'],
    'which? Give ids, --group, --target or another option, or say --all',
  ],
  [['replay'], 'which? Give ids, --group, --target or another option, or say --all'],
  [
    ['replay', '--all', '--target', 'erp'],
    '--all is everything: leave out the ids and the other options',
  ],
  [['replay', '42'], '"42" is no id of a dead letter'],
  [['replay', '--all', '--rate', '0'], '--rate is "0": write a number from 0.01 to 10000'],
  [['replay', '--since', 'yesterday'], '--since is "yesterday": write how long ago (30m, 2h, 1d)'],
  [['reply', '--all'], 'it does not know "reply"; did you mean replay?'],
  [['replay', '--al'], 'it takes no option --al; did you mean --all?'],
])('a wrong command line is answered with what would be right: %j', async (args, answer) => {
  shop = await openTestShop([testTarget('erp')])
  const { code, output } = await run(...args)
  expect(output).toContain(answer)
  expect(code).toBe(2)
})

test('what is meant can be narrowed by time and order', async () => {
  shop = await openTestShop([
    testTarget('erp', { circuit: null, call: async () => giveUp('answered 422') }),
  ])
  const { orderId } = await shop.placeOrder()
  for (let n = 0; n < 3; n += 1) await shop.placeOrder()
  await shop.relay()
  shop.startWorker().wake()
  await eventually(async () => (await countLetters('true')) === 4)
  await shop.pool.query(
    `update orderwheel.dead_letters set died_at = now() - interval '3 hours' where order_id = $1`,
    [orderId],
  )
  const count = async (...args: string[]) =>
    Number(/^(\d+) dead letter/.exec((await run('replay', '--dry-run', ...args)).output)?.[1])

  expect(await count('--since', '2h')).toBe(3)
  expect(await count('--until', '2h')).toBe(1)
  expect(await count('--since', '2020-01-01T00:00Z', '--until', '2020-01-02T00:00Z')).toBe(0)
  expect(await count('--order', orderId)).toBe(1)
  expect(await count('--order', orderId, '--since', '2h')).toBe(0)
})

async function run(...args: string[]) {
  const process = startOrderwheel(['dead-letters', ...args], {
    ...nobodyCalled,
    DATABASE_URL: connectionString(shop.connection),
  })
  return { code: await process.ended, output: process.output() }
}

async function countLetters(which: string): Promise<number> {
  const { rowCount } = await shop.pool.query(`select from orderwheel.dead_letters where ${which}`)
  return rowCount ?? 0
}
