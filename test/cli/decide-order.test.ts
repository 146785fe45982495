import { userInfo } from 'node:os'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

const me = userInfo().username
let shop: StuckShop

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'stock', 'email'])
})
afterAll(() => shop.close())

const placed = {
  kind: 'order.placed',
  deliveries: { erp: 'dead', stock: 'uncertain', email: 'waiting' },
  after: { email: ['erp', 'stock'] },
} as const
const cancelled = { kind: 'order.cancelled', deliveries: { erp: 'waiting' } } as const

test('an order’s page names what holds back a waiting delivery, and the commands that decide', async () => {
  const { externalId } = await shop.placeOrder([placed, cancelled])
  const decide = `orderwheel order ${externalId}`

  const { output } = await run('order', externalId)

  expect(output.split('\n')).toEqual(
    expect.arrayContaining([
      `email (order.placed) waits for order.placed to erp, which is a dead letter: replay it with ${decide} --try-again --target erp, and for order.placed to stock, which is uncertain: decide with ${decide} --mark-delivered --target stock or ${decide} --try-again --target stock`,
      expect.stringMatching(
        /^erp \(order.placed\) is a dead letter \([0-9a-f-]{36}\): mend the cause, /,
      ),
      `stock (order.placed) is uncertain: it may have been told, and nobody knows. Look into stock, then ${decide} --mark-delivered --target stock or ${decide} --try-again --target stock`,
      `erp (order.cancelled) waits for order.placed to erp, which is a dead letter: replay it with ${decide} --try-again --target erp`,
    ]),
  )
})

test('what somebody decided is said, released, and part of the order’s story', async () => {
  const { externalId, orderId } = await shop.placeOrder([placed, cancelled])

  const marked = await run(
    'order',
    externalId,
    '--mark-delivered',
    '--target',
    'stock',
    '--reason',
    'it is there',
  )
  expect(marked).toEqual({
    code: 0,
    output: `stock (order.placed) of order ${externalId} is marked as delivered. Nothing else had waited for it alone.\n`,
  })
  const skipped = await run('order', orderId, '--skip', '--reason', 'told by telephone')
  expect(skipped).toEqual({
    code: 0,
    output: `erp (order.placed) of order ${externalId} is skipped. Released: email (order.placed), erp (order.cancelled).\n`,
  })

  const { output } = await run('order', externalId)
  expect(output).toMatch(new RegExp(`Z  stock  marked delivered by ${me} — it is there$`, 'm'))
  expect(output).toMatch(new RegExp(`Z  erp    skipped by ${me} — told by telephone$`, 'm'))
  expect(output).toMatch(/^email \(order\.placed\) is queued$/m)
})

test('an order’s page says why a due job is not taken', async () => {
  const { externalId } = await shop.placeOrder([
    { kind: 'order.placed', deliveries: { erp: 'dead', email: 'queued' } },
  ])
  await shop.pool.query(`
    update orderwheel.targets set paused_at = now(), paused_by = 'eva', pause_reason = 'upgrade' where name = 'erp';
    update orderwheel.targets set circuit = 'open', probe_at = now() + interval '1 hour', circuit_reason = 'HTTP 503'
     where name = 'email'`)

  const again = await run('order', externalId, '--try-again', '--json')
  expect(JSON.parse(again.output)).toMatchObject({
    order: externalId,
    target: 'erp',
    decision: 'try-again',
    before: 'dead',
    state: 'queued',
  })
  const { output } = await run('order', externalId)

  expect(output).toMatch(/^erp \(order\.placed\) is queued; erp is paused by eva: upgrade$/m)
  expect(output).toMatch(
    /^email \(order\.placed\) is queued; the circuit of email is open \d+s, probe in 60m: HTTP 503$/m,
  )
  await shop.pool.query(
    `update orderwheel.targets set paused_at = null, paused_by = null, pause_reason = null, circuit = 'closed'`,
  )
})

test('with several deliveries to decide on, one has to be named', async () => {
  const { externalId } = await shop.placeOrder([placed])

  expect(await run('order', externalId, '--try-again')).toEqual({
    code: 2,
    output: `orderwheel order: order ${externalId} has 2 deliveries to decide on: erp (order.placed) is dead, stock (order.placed) is uncertain. Say which with --target. See orderwheel order --help\n`,
  })
  expect(await run('order', externalId, '--try-again', '--target', 'erb')).toEqual({
    code: 1,
    output: `Order ${externalId} has no delivery to "erb"; did you mean erp?\n`,
  })
})

test('a delivery in another state is refused with its state', async () => {
  const { externalId } = await shop.placeOrder([placed])

  expect(await run('order', externalId, '--try-again', '--target', 'email')).toEqual({
    code: 1,
    output: `There is nothing to decide about order ${externalId}: email (order.placed) is waiting.\n`,
  })
})

test('of two operators at once one decides, and the other reads a sentence', async () => {
  const { externalId } = await shop.placeOrder([
    { kind: 'order.placed', deliveries: { erp: 'dead' } },
  ])

  const both = await Promise.all([
    run('order', externalId, '--mark-delivered'),
    run('order', externalId, '--mark-delivered'),
  ])

  expect(new Set(both.map(({ code }) => code))).toEqual(new Set([0, 1]))
  expect(both.find(({ code }) => code === 1)?.output).toMatch(/is delivered(\.| by now)/)
})

test('a database without pg-boss is told what to run', async () => {
  const { externalId } = await shop.placeOrder([placed])
  await shop.pool.query('update pgboss.version set version = version - 1')

  const { code, output } = await run('order', externalId, '--try-again', '--target', 'erp')
  await shop.pool.query('update pgboss.version set version = version + 1')

  expect(output).toMatch(/^pg-boss refuses to start: .* Run "orderwheel migrate" of this version/)
  expect(code).toBe(1)
})

test.each([
  [['--skip'], 'it needs --reason, for example --reason "told by telephone"'],
  [['--try-again', '--mark-delivered'], 'it takes --mark-delivered or --try-again, not both'],
  [['--target', 'erp'], '--target is for --mark-delivered, --try-again and --skip'],
  [['--reason', 'x'], '--reason is for --mark-delivered, --try-again and --skip'],
  [['--try-agian'], 'it takes no option --try-agian; did you mean --try-again?'],
])('a wrong command line is answered with what would be right: %j', async (args, answer) => {
  const { code, output } = await run('order', 'WEB-1', ...args)

  expect(output).toContain(answer)
  expect(code).toBe(2)
})

test('an order that does not exist is not decided on', async () => {
  expect(await run('order', 'WEB-1', '--try-again')).toEqual({
    code: 1,
    output: 'There is no order with the id or externalId "WEB-1".\n',
  })
})

async function run(...args: string[]) {
  const process = startOrderwheel(args, { DATABASE_URL: connectionString(shop.connection) })
  return { code: await process.ended, output: process.output() }
}
