import { hash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Webhook as StandardWebhook } from 'standardwebhooks'
import { afterEach, expect, onTestFinished, test } from 'vitest'

import { createKey } from '#keys/create-key.ts'
import { email } from '#targets/email/email.ts'
import { webhook } from '#targets/http/webhook.ts'
import type { Target } from '#targets/target.ts'

import { send, startTestApi } from '../http/test-api.ts'
import { eventually } from '../support/eventually.ts'
import { httpTarget } from '../support/http-target.ts'
import { type PickyErp, startPickyErp } from '../support/picky-erp.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { workOffDue } from '../support/work-off-replays.ts'
import { writeConfig } from '../support/write-config.ts'
import { createTarget } from '../targets/support/create-target.ts'
import { smtpError, startMailServer } from '../targets/support/start-mail-server.ts'

let shop: TestShop
let erp: PickyErp | undefined
afterEach(async () => {
  await shop.close()
  await erp?.stop()
  erp = undefined
})

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

test('an operator corrects one request in an editor; it goes out under the first key, with the same headers', async () => {
  const { letterId, orderId, config } = await openErp((body) => body.includes('"sku":"IPOD-BLUE"'))
  const shown = await run(config, 'dead-letters', 'request', letterId)
  expect(shown.output).toBe('{\n  "sku": "IPOD-GREEN",\n  "to": "Ada Lovelace"\n}\n')

  const { code, output } = await run(
    { ...config, EDITOR: `sed -i 's/"sku": "IPOD-GREEN"/"sku":"IPOD-BLUE"/'` },
    'dead-letters',
    'replay',
    letterId,
    '--edit',
    '--reason',
    'renamed in the ERP',
  )

  expect(output).toMatch(/^1 of 1 replayed/m)
  expect(code).toBe(0)
  await deliver()
  const [refused, accepted] = erp?.calls ?? []
  // What was written is what is sent, byte for byte.
  expect(accepted?.body).toBe('{\n  "sku":"IPOD-BLUE",\n  "to": "Ada Lovelace"\n}')
  for (const header of ['idempotency-key', 'content-type', 'x-shop'])
    expect(accepted?.headers[header]).toBe(refused?.headers[header])
  expect(accepted?.headers['content-type']).toBe('application/json')
  expect(await edited()).toBeNull()

  const { rows } = await shop.pool.query(
    `select action, reason, details from orderwheel.audit_log where subject = $1`,
    [orderId],
  )
  expect(rows).toEqual([
    {
      action: 'delivery.edited',
      reason: 'renamed in the ERP',
      details: expect.objectContaining({
        target: 'erp',
        letterId,
        before: proofOf('{\n  "sku": "IPOD-GREEN",\n  "to": "Ada Lovelace"\n}'),
        after: proofOf('{\n  "sku":"IPOD-BLUE",\n  "to": "Ada Lovelace"\n}'),
      }),
    },
  ])
  expect(JSON.stringify(rows)).not.toContain('Lovelace')
  const { output: story } = await run(config, 'order', orderId)
  expect(story).toMatch(/ erp {2}edited by \S+ — renamed in the ERP$/m)
})

test('what was edited is there to be edited again after another death, and goes out only if asked for', async () => {
  let mended = false
  const { letterId, config } = await openErp(() => mended)
  await replayWith(config, letterId, '{"sku":"IPOD-BLUE"}')
  await eventually(async () => (await states()).erp === 'dead' && erp?.calls.length === 2)
  const again = await findLetter()
  const shown = await run(config, 'dead-letters', 'request', again, '--json')
  expect(JSON.parse(shown.output)).toMatchObject({
    isEdited: true,
    text: '{\n  "sku": "IPOD-BLUE"\n}',
  })

  const kept = await run({ ...config, EDITOR: 'true' }, 'dead-letters', 'replay', again, '--edit')
  expect(kept.output).toMatch(/^1 of 1 replayed/m)
  await eventually(async () => (await states()).erp === 'dead' && erp?.calls.length === 3)
  mended = true
  await run(config, 'dead-letters', 'replay', await findLetter())
  await deliver()
  expect(erp?.calls.map(({ body }) => body.includes('IPOD-BLUE'))).toEqual([
    false,
    true,
    true,
    false,
  ])
})

test('what is no JSON is refused before anything changes, and the text is kept', async () => {
  const { letterId, config } = await openErp(() => false)

  const wrong = await run(
    { ...config, EDITOR: `sed -i 's/{/{,/'` },
    'dead-letters',
    'replay',
    letterId,
    '--edit',
  )

  expect(wrong.code).toBe(2)
  const [, file = ''] =
    /Nothing was changed. Mend (\S+), then: orderwheel dead-letters replay \S+ --edit-file \1$/m.exec(
      wrong.output,
    ) ?? []
  expect(wrong.output).toMatch(/^It stops being JSON at position 1/)
  expect(await readFile(file, 'utf8')).toContain('{,')
  await rm(join(file, '..'), { recursive: true })
  expect(await states()).toEqual({ erp: 'dead' })
  expect(await edited()).toBeNull()
  const { rowCount } = await shop.pool.query('select from orderwheel.replays')
  expect(rowCount).toBe(0)
})

test('an editor that changes nothing replays nothing', async () => {
  const { letterId, config } = await openErp(() => false)
  const { code, output } = await run(
    { ...config, EDITOR: 'true' },
    'dead-letters',
    'replay',
    letterId,
    '--edit',
  )
  expect(output).toBe('It is as it was: nothing was changed, and nothing is replayed.\n')
  expect(code).toBe(1)
  const failed = await run(
    { ...config, EDITOR: 'false' },
    'dead-letters',
    'replay',
    letterId,
    '--edit',
  )
  expect(failed).toEqual({
    code: 2,
    output: 'The editor ("false") ended with 1: nothing was changed.\n',
  })
})

test('a webhook’s signature is over what was edited', async () => {
  erp = await startPickyErp((body) => body.includes('corrected'))
  const target = createTarget(
    'partner',
    webhook({ url: erp.url, secret, allowPrivate: '127.0.0.1' }),
  )
  await openShop(target)
  const api = await startApi([target])
  const { body } = await api.get(`/ops/dead-letters/${await findLetter()}/request`)
  expect(body).toMatchObject({ target: 'partner', format: 'json', isEdited: false })
  const { text } = body as { text: string }
  const answer = await api.replay(await findLetter(), text.replace('order.placed', 'corrected'))

  expect(answer.status).toBe(202)
  await deliver()
  const [first, second] = erp.calls
  const verified = new StandardWebhook(secret).verify(second?.body ?? '', headersOf(second))
  expect(verified).toMatchObject({ type: 'corrected' })
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
})

test('a mail’s recipient, subject and texts can be corrected; it keeps its Message-ID', async () => {
  const server = await startMailServer({
    onRcptTo: ({ address }, _session, callback) =>
      address === 'ada@example.com' ? callback(smtpError(550, 'no such mailbox')) : callback(),
  })
  const target = createTarget(
    'confirmation',
    email({
      from: 'Demo Shop <orders@shop.example>',
      template: 'order-confirmation',
      smtp: server.url,
    }),
  )
  await openShop(target)
  const api = await startApi([target])
  const { body } = await api.get(`/ops/dead-letters/${await findLetter()}/request`)
  const mail = JSON.parse((body as { text: string }).text) as Record<string, string>
  expect(mail.to).toBe('"Ada Lovelace" <ada@example.com>')
  const wrong = await api.replay(await findLetter(), JSON.stringify({ ...mail, to: 'nobody' }))
  expect(wrong.body).toMatchObject({
    code: 'invalid-body',
    errors: [{ pointer: '/edited', detail: 'to must be one address like Ada L <ada@example.com>' }],
  })

  const right = { ...mail, to: 'Ada L <ada@home.example>', subject: 'Now for real' }
  expect((await api.replay(await findLetter(), JSON.stringify(right))).status).toBe(202)
  await deliver()
  expect([server.mails[0]?.to].flat()[0]?.text).toBe('"Ada L" <ada@home.example>')
  const { rows } = await shop.pool.query(`select message_id as id from orderwheel.deliveries`)
  expect(server.mails[0]?.messageId).toBe(`<confirmation-${rows[0].id}@shop.example>`)
  expect(server.mails[0]?.subject).toBe('Now for real')
  expect(server.mails[0]?.text).toContain('iPod nano, green')
})

test('what only its own code knows cannot be edited, nor what is not in the configuration', async () => {
  const loyalty = testTarget('loyalty', { call: async () => ({ kind: 'give-up', reason: 'no' }) })
  await openShop(loyalty)
  const letterId = await findLetter()

  const api = await startApi([loyalty])
  expect((await api.replay(letterId, '{}')).body).toMatchObject({
    code: 'request-not-editable',
    detail: 'The target loyalty is told by code of its own: only that knows what is sent.',
  })
  const other = await startApi([])
  expect((await other.get(`/ops/dead-letters/${letterId}/request`)).body).toMatchObject({
    code: 'request-not-editable',
    detail: 'The target loyalty is not in the configuration.',
  })
  expect(await states()).toEqual({ loyalty: 'dead' })
})

test.each([
  [['replay', '--all', '--edit'], '--edit and --edit-file are for one letter: give its id'],
  [['replay', 'ID', '--edit', '--edit-file', '-'], 'it takes --edit or --edit-file, not both'],
  [['replay', 'ID', '--edit', '--dry-run'], '--dry-run changes nothing: leave out --edit'],
  [['replay', 'ID', '--edit-file', '/nowhere'], '--edit-file /nowhere cannot be read'],
])('a wrong command line is answered with what would be right: %j', async (args, answer) => {
  const { letterId, config } = await openErp(() => false)
  const { code, output } = await run(
    config,
    'dead-letters',
    ...args.map((arg) => (arg === 'ID' ? letterId : arg)),
  )
  expect(output).toContain(answer)
  expect(code).toBe(2)
})

/** A shop whose ERP has refused an order, and the environment of a command with its configuration. */
async function openErp(accepts: (body: string) => boolean) {
  erp = await startPickyErp(accepts)
  const { url } = erp
  const target = httpTarget('erp', {
    url,
    headers: { 'x-shop': 'demo' },
    body: ({ order }) => ({ sku: order.items[0]?.sku, to: order.customer.name }),
  })
  onTestFinished(() => target.close())
  const orderId = await openShop(target)
  const config = await writeConfig({
    erp: `http({ url: '${url}', headers: { 'x-shop': 'demo' },
      body: ({ order }) => ({ sku: order.items[0].sku, to: order.customer.name }) })`,
  })
  onTestFinished(() => config.remove())
  return { letterId: await findLetter(), orderId, config: { ORDERWHEEL_CONFIG: config.path } }
}

async function openShop(target: Target): Promise<string> {
  shop = await openTestShop([target])
  const { orderId } = await shop.placeOrder()
  await shop.relay()
  shop.startWorker().wake()
  await eventually(async () => (await states())[target.name] === 'dead')
  return orderId
}

async function deliver(): Promise<void> {
  await workOffDue(shop)
  await shop.letTimePass()
  await eventually(async () =>
    Object.values(await states()).every((state) => state === 'delivered'),
  )
}

async function replayWith(config: Record<string, string>, letterId: string, text: string) {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-test-edit-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'request.json')
  await writeFile(file, text)
  const { code, output } = await run(
    config,
    'dead-letters',
    'replay',
    letterId,
    '--edit-file',
    file,
  )
  expect(code, output).toBe(0)
}

async function startApi(targets: readonly Target[]) {
  const api = await startTestApi({ db: shop.db, pool: shop.pool, targets })
  onTestFinished(() => api.close())
  const { key } = await createKey(shop.db, {
    name: `ada ${targets.length}`,
    scopes: ['ops:read', 'ops:write'],
    who: 'test',
  })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return {
    get: (path: string) =>
      send(`${api.url}${path}`, { headers: { authorization: headers.authorization } }),
    replay: (letterId: string, edited: string) =>
      send(`${api.url}/ops/dead-letters/${letterId}/replay`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ edited }),
      }),
  }
}

async function run(environment: Record<string, string>, ...args: string[]) {
  const process = startOrderwheel(args, {
    DATABASE_URL: connectionString(shop.connection),
    ...environment,
  })
  return { code: await process.ended, output: process.output() }
}

function proofOf(text: string) {
  return { length: text.length, sha256: hash('sha256', text) }
}

async function findLetter(): Promise<string> {
  const { rows } = await shop.pool.query<{ id: string }>(
    `select id from orderwheel.dead_letters where resolved_at is null`,
  )
  return rows[0]?.id ?? ''
}

async function states(): Promise<Record<string, string>> {
  const { rows } = await shop.pool.query<{ target: string; state: string }>(
    `select target, state from orderwheel.deliveries`,
  )
  return Object.fromEntries(rows.map(({ target, state }) => [target, state]))
}

async function edited(): Promise<unknown> {
  const { rows } = await shop.pool.query<{ edited: unknown }>(
    `select edited from orderwheel.deliveries`,
  )
  return rows[0]?.edited
}

function headersOf(call: PickyErp['calls'][number] | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(call?.headers ?? {}).map(([name, value]) => [name, String(value)]),
  )
}
