import { afterEach, expect, onTestFinished, test } from 'vitest'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { writeConfig } from '../support/write-config.ts'
import { startMailServer } from '../targets/support/start-mail-server.ts'
import { startReceiver } from '../targets/support/start-receiver.ts'

let shop: TestShop
afterEach(() => shop.close())

const token = 'tk_0123456789abcdef'

/** A shop with one order that the ERP was told of, and what `targets test` says. */
async function openErp(status = 201) {
  const erp = await startReceiver((response) =>
    response
      .writeHead(status, { 'x-request-id': 'r-7', 'set-cookie': 'session=12345678' })
      .end(`{"number":7,"echo":"${token}"}\u001b[2J`),
  )
  shop = await openTestShop([testTarget('erp')])
  const { orderId, messageId } = await shop.placeOrder()
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))
  const run = await prepare({
    erp: `http({
      url: ${JSON.stringify(`${erp.url.replace('//', '//shop:secret-word@')}/orders?key=abc`)},
      headers: { authorization: 'Bearer ' + process.env.ERP_TOKEN, 'x-shop': 'demo' },
      body: ({ order }) => ({ number: order.externalId, hidden: process.env.ERP_TOKEN }),
    })`,
  })
  return { erp, orderId, messageId, run }
}

async function prepare(targets: Record<string, string>) {
  const config = await writeConfig(targets)
  onTestFinished(config.remove)
  return async (...args: string[]) => {
    const process = startOrderwheel(['targets', 'test', ...args], {
      DATABASE_URL: connectionString(shop.connection),
      ORDERWHEEL_CONFIG: config.path,
      ERP_TOKEN: token,
    })
    return { code: await process.ended, output: process.output() }
  }
}

test('a target is told of an order by hand, and what was sent and answered is shown without secrets', async () => {
  const { erp, orderId, messageId, run } = await openErp()
  const before = await shop.attempts(orderId)
  const { code, output } = await run('erp', '--order', orderId)

  expect(code).toBe(0)
  expect(output).toContain(`→ POST ${erp.url}/orders?***\n`)
  expect(output).toContain('authorization: ***\n')
  expect(output).toContain('x-shop: demo\n')
  expect(output).toContain('"hidden":"***"}')
  expect(output).toContain('← 201\n')
  expect(output).toMatch(/x-request-id: r-7\n/)
  expect(output).toContain('set-cookie: ***\n')
  expect(output).toContain('{"number":7,"echo":"***"}\ufffd[2J')
  expect(output).toMatch(/^erp was told\. \(\d+ ms\)$/m)
  for (const secret of [token, 'secret-word', 'key=abc', 'session=1']) {
    expect(output).not.toContain(secret)
  }
  expect(erp.received).toHaveLength(1)
  // That of the delivery: a target that honours it acts once.
  expect(erp.received[0]?.headers['idempotency-key']).toBe(`erp-${messageId}`)
  expect(erp.received[0]?.headers.authorization).toBe(`Bearer ${token}`)
  expect(await shop.attempts(orderId)).toEqual(before)
  const { rows } = await shop.pool.query(
    `select action, subject, details from orderwheel.audit_log where action = 'target.tested'`,
  )
  expect(rows).toEqual([
    {
      action: 'target.tested',
      subject: orderId,
      details: { target: 'erp', messageId, kind: 'order.placed' },
    },
  ])
})

test('a refusal is shown as what it would be, and is the exit code', async () => {
  const { orderId, run } = await openErp(422)
  const { code, output } = await run('erp', '--order', orderId)
  expect(code).toBe(1)
  expect(output).toContain('erp refused, which would be a dead letter: answered 422')

  const { output: json } = await run('erp', '--order', orderId, '--json')
  expect(JSON.parse(json)).toMatchObject({
    target: 'erp',
    exchanges: [{ method: 'POST', answer: { status: 422 } }],
    outcome: { kind: 'give-up', reason: 'answered 422' },
  })
  expect(json).not.toContain(token)
})

test('with --dry-run nothing is sent', async () => {
  const { erp, orderId, run } = await openErp()
  const { code, output } = await run('erp', '--order', orderId, '--dry-run')
  expect(code).toBe(0)
  expect(output).toMatch(/"number": "WEB-[0-9a-f-]+",\n {2}"hidden": "\*\*\*"/)
  expect(erp.received).toEqual([])
})

test('a mail is shown as it was sent, with what the server replied', async () => {
  const server = await startMailServer()
  shop = await openTestShop([testTarget('mail')])
  const { orderId } = await shop.placeOrder()
  const smtp = JSON.stringify(server.url)
  const run = await prepare({
    mail: `email({ template: 'order-confirmation', from: 'Shop <orders@shop.example>', smtp: ${smtp} })`,
  })
  const { code, output } = await run('mail', '--order', orderId)
  expect(output).toContain('"to": ')
  expect(output).toMatch(/← 250\n/)
  expect(code).toBe(0)
})

test('what would be done again is only told when that is meant, and what enters nothing is not', async () => {
  const sms = await startReceiver((response) => response.writeHead(200).end())
  shop = await openTestShop([testTarget('sms')])
  const { orderId } = await shop.placeOrder()
  const http = (more: string) => `http({ url: ${JSON.stringify(sms.url)}${more} })`
  const run = await prepare({
    sms: http(', idempotent: false'),
    payment: http(''),
    audit: 'audit()',
  })
  for (const target of ['sms', 'payment']) {
    const refused = await run(target, '--order', orderId)
    expect(refused).toMatchObject({ code: 2, output: expect.stringContaining('Not called. ') })
    expect(refused.output).toContain('Give --yes if that is meant.')
    expect((await run(target, '--order', orderId, '--dry-run')).code).toBe(0)
  }
  expect(sms.received).toEqual([])
  expect(await run('sms', '--order', orderId, '--yes')).toMatchObject({ code: 0 })
  expect(sms.received).toHaveLength(1)

  const audit = await run('audit', '--order', orderId, '--yes')
  expect(audit).toMatchObject({ code: 2, output: expect.stringContaining('audit is not called') })
  const { rows } = await shop.pool.query(
    `select details->>'target' as target from orderwheel.audit_log where action = 'target.tested'`,
  )
  expect(rows).toEqual([{ target: 'sms' }])
})

test('nothing is called from a copy of the database, and nothing that is not there', async () => {
  const { erp, orderId, run } = await openErp()
  await shop.pool.query(
    `update orderwheel.installation set environment = 'other', database_name = 'other'`,
  )
  const copied = await run('erp', '--order', orderId)
  expect(copied.code).toBe(2)
  expect(copied.output).toContain('Not called. This database was renamed')
  expect(erp.received).toEqual([])

  const wrong = await run('epr', '--order', orderId)
  expect(wrong.output).toContain('The configuration has no target "epr"; did you mean erp?')
  const missing = await run('erp', '--order', orderId, '--message', 'order.cancelled')
  expect(missing.output).toMatch(/has no message order\.cancelled, but order\.placed\./)
  expect((await run('erp')).output).toContain('test of which order? Give --order')
  expect((await run('erp', '--order', orderId, '--rate', '1/1')).output).toContain(
    'test takes no --rate',
  )
})
