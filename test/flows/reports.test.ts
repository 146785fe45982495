import { createHash } from 'node:crypto'

import { afterEach, expect, onTestFinished, test } from 'vitest'

import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { forgetOldReports } from '#reports/forget-old-reports.ts'

import { eventually } from '../support/eventually.ts'
import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'
import {
  connectionString,
  type OrderwheelProcess,
  startOrderwheel,
} from '../support/start-process.ts'
import { listFound, verifyShop } from '../support/verify-shop.ts'
import { writeConfig } from '../support/write-config.ts'
import { readPdf } from '../targets/support/read-pdf.ts'

let shop: ReportingShop
afterEach(() => shop.close())

const header =
  'orderId,externalId,receivedAt,placedAt,state,cancelledAt,currency,subtotal,discount,shipping,tax,total,' +
  'pricesIncludeTax,lines,quantity,billingCountry,shippingCountry,paymentStatus,paymentProvider,paymentReference'

const orderHeader = ['Received', 'Order', 'State', 'Payment', 'Quantity', 'Tax', 'Total']

async function expectNothingLost() {
  for (const isFull of [false, true])
    expect([...new Set(listFound(await verifyShop(shop.db, { isFull })))].filter(isLost)).toEqual(
      [],
    )
}

// These orders are stored, and nobody is told of them.
const isLost = (found: string) => found !== 'order-without-message'

test('a bookkeeper asks for the orders of October as CSV, waits, and downloads them', async () => {
  shop = await openReportingShop()
  const first = await shop.storeOrder('2026-10-01T00:00:00Z', { externalId: 'WEB-1' })
  await shop.storeOrder('2026-10-02T09:30:00.250Z', {
    externalId: 'WEB-2',
    placedAt: '2026-10-02T11:29:58+02:00',
    currency: 'JPY',
  })
  await shop.storeOrder('2026-10-31T23:59:59.999Z', { externalId: 'WEB-3', currency: 'KWD' })
  await shop.storeOrder('2026-09-30T23:59:59.999Z', { externalId: 'SEPTEMBER' })
  await shop.storeOrder('2026-11-01T00:00:00Z', { externalId: 'NOVEMBER' })

  const asked = await shop.ask()
  expect(asked.statusCode).toBe(202)
  const { id, ...said } = asked.json<{ id: string }>()
  expect(said).toMatchObject({ kind: 'orders', format: 'csv', state: 'waiting' })
  expect(asked.headers.location).toBe(`/reports/${id}`)
  expect(await shop.report(id)).toMatchObject({ state: 'waiting', expiresAt: null, sums: null })
  const early = await shop.send(`/reports/${id}/file`)
  expect(early.statusCode).toBe(404)
  expect(early.headers['retry-after']).toBe('2')
  expect(early.json()).toMatchObject({ code: 'report-not-ready' })

  await shop.workOff()
  expect(await shop.report(id)).toMatchObject({
    state: 'ready',
    requestedBy: 'books',
    orders: 3,
    reason: null,
    sums: [
      { currency: 'EUR', orders: 1, cancelled: 0, unpaid: 0, tax: '75.60', total: '463.50' },
      { currency: 'JPY', orders: 1, tax: '7560', total: '46350' },
      { currency: 'KWD', orders: 1, tax: '7.560', total: '46.350' },
    ],
  })
  const file = await shop.send(`/reports/${id}/file`)
  expect(file.headers).toMatchObject({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': 'attachment; filename="orders-2026-10-01-to-2026-11-01.csv"',
    'content-length': String(file.rawPayload.length),
    etag: `"${createHash('sha256').update(file.rawPayload).digest('hex')}"`,
  })
  const lines = file.payload.split('\r\n')
  expect(lines).toHaveLength(5)
  expect(lines[0]).toBe(header)
  expect(lines[1]).toBe(
    `${first},WEB-1,2026-10-01T00:00:00.000Z,2026-11-22T10:15:00.000Z,received,,EUR,398.00,15.00,4.90,75.60,463.50,` +
      'false,1,2,DE,,captured,stripe,pi_3Qx',
  )
  expect(lines[2]).toMatch(
    ',WEB-2,2026-10-02T09:30:00.250Z,2026-10-02T09:29:58.000Z,received,,JPY,39800,1500,490,7560,46350,',
  )
  expect(lines[3]).toMatch(/,WEB-3,.*,KWD,39.800,1.500,0.490,7.560,46.350,/)
  expect(lines[4]).toBe('')
  await expectNothingLost()
})

test('a report says nothing of who ordered, before and after they are forgotten', async () => {
  shop = await openReportingShop()
  const note = 'Ring twice'
  await shop.storeOrder('2026-10-05T10:00:00Z', { note })
  const csv = await shop.make()
  const pdf = await shop.make({ format: 'pdf' })
  const personal = /ada|lovelace|example\.com|hauptstra|berlin|10115|49170|happy|twice/i
  const said = JSON.stringify({ ...exampleOrder('WEB-1'), note })
  for (const word of personal.source.split('|')) expect(said).toMatch(new RegExp(word, 'i'))
  expect((await shop.send(`/reports/${csv}/file`)).payload).not.toMatch(personal)
  const { rawPayload } = await shop.send(`/reports/${pdf}/file`)
  expect(readPdf(rawPayload).text).not.toMatch(personal)

  const before = (await shop.send(`/reports/${csv}/file`)).payload
  const person = { email: 'ada@example.com', customerId: null }
  const forgotten = await forgetPerson(shop.db, {
    person,
    who: 'test',
    reason: null,
    evenOpen: true,
    dryRun: false,
  })
  expect(forgotten.orders).toBe(1)
  expect((await shop.send(`/reports/${await shop.make()}/file`)).payload).toBe(before)
})

test('a PDF has its header and a number on each page, every order once, and the sums at the end', async () => {
  shop = await openReportingShop()
  await shop.storeMany(200)
  await shop.storeOrder('2026-10-20T00:00:00Z', { externalId: 'X'.repeat(64), currency: 'JPY' })
  const id = await shop.make({ format: 'pdf' })
  const file = await shop.send(`/reports/${id}/file`)
  expect(file.headers['content-type']).toBe('application/pdf')
  const { pages, info } = readPdf(file.rawPayload)
  expect(info('Title')).toBe('Orders 2026-10-01 to 2026-11-01')
  expect(pages.length).toBe(5)
  const texts = pages.map((page) => page.map(({ text }) => text))
  for (const [n, page] of texts.slice(0, -1).entries())
    expect(page.slice(0, 10)).toEqual([
      'Orders received from 2026-10-01 00:00 to 2026-11-01 00:00 (UTC)',
      `Page ${n + 1}`,
      ...orderHeader,
      expect.stringMatching(/^2026-10-/),
    ])
  const numbers = texts.flat().filter((text) => /^(WEB-|XX)/.test(text))
  expect(numbers).toEqual([
    ...Array.from({ length: 200 }, (_, n) => `WEB-${n + 1}`),
    'X'.repeat(64),
  ])
  expect(texts.at(-1)?.slice(-13)).toEqual([
    'Total of orders',
    ...'EUR 200 0 0 15120.00 92700.00'.split(' '),
    ...'JPY 1 0 0 7560 46350'.split(' '),
  ])
  for (const { x, fromTop } of pages.flat()) {
    expect(x).toBeGreaterThan(30)
    expect(fromTop).toBeLessThan(820)
  }
})

test('what was cancelled or not paid is counted, and in no sum', async () => {
  shop = await openReportingShop()
  const cancelled = await shop.storeOrder('2026-10-05T10:00:00Z', { externalId: 'CANCELLED' })
  const declined = await shop.storeOrder('2026-10-06T10:00:00Z', { externalId: 'DECLINED' })
  await shop.storeOrder('2026-10-07T10:00:00Z', { externalId: 'GOOD' })
  await shop.pool.query(
    `insert into orderwheel.outbox (order_id, kind) values ('${cancelled}', 'order.cancelled')`,
  )
  await shop.pool.query(
    `insert into orderwheel.payments (order_id, external_id, state, provider, mode, settled_at)
     values ('${declined}', 'DECLINED', 'declined', 'gateway', 'capture', now())`,
  )
  const id = await shop.make()
  expect(await shop.report(id)).toMatchObject({
    orders: 3,
    sums: [{ currency: 'EUR', orders: 1, cancelled: 1, unpaid: 1, tax: '75.60', total: '463.50' }],
  })
  const { payload } = await shop.send(`/reports/${id}/file`)
  expect(payload).toMatch(/CANCELLED,[^,]*,[^,]*,cancelled,20\d\d-[^,]+Z,EUR/)
  expect(payload).toMatch(/DECLINED,[^,]*,[^,]*,payment-declined,,EUR.*,declined,gateway,\r\n/)
})

test('a payment reference that is a formula, or holds commas, quotes and lines, stays one harmless cell', async () => {
  shop = await openReportingShop()
  const hostile = [
    '=HYPERLINK("http://evil.example","click")',
    '+1',
    '-1+2',
    '@SUM(A1)',
    '\t=1',
    'pi_1;=HYPERLINK(A1)',
    'a,b',
    'say "hi"',
    'two\nlines',
  ]
  for (const [n, reference] of hostile.entries())
    await shop.storeOrder(`2026-10-05T10:00:0${n}Z`, {
      payment: { status: 'captured', provider: 'stripe', reference },
    })
  const { payload } = await shop.send(`/reports/${await shop.make()}/file`)
  const cells = [...payload.matchAll(/,captured,stripe,((?:"(?:[^"]|"")*"|[^",\r\n])*)\r\n/g)]
  expect(cells.map(([, cell]) => cell)).toEqual([
    `"'=HYPERLINK(""http://evil.example"",""click"")"`,
    "'+1",
    "'-1+2",
    "'@SUM(A1)",
    "'\t'=1",
    "pi_1;'=HYPERLINK(A1)",
    '"a,b"',
    '"say ""hi"""',
    '"two\nlines"',
  ])
})

test('a period without orders is a file with nothing but its header', async () => {
  shop = await openReportingShop()
  const csv = await shop.make()
  expect((await shop.send(`/reports/${csv}/file`)).payload).toBe(`${header}\r\n`)
  expect(await shop.report(csv)).toMatchObject({ state: 'ready', orders: 0, sums: [] })
  const pdf = await shop.make({ format: 'pdf' })
  expect(readPdf((await shop.send(`/reports/${pdf}/file`)).rawPayload).pages).toHaveLength(2)
})

test('an order that is committed after its period ended is in the report that was asked for before', async () => {
  shop = await openReportingShop()
  const late = await shop.pool.connect()
  try {
    await late.query('begin')
    await late.query(
      `insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
       values ('LATE', uuidv7(), 'LATE', decode(repeat('00', 32), 'hex'), $1, now() - interval '1 second')`,
      [exampleOrder('LATE')],
    )
    const { rows } = await late.query<{ from: Date; to: Date }>(
      `select now() - interval '1 hour' as from, now() as to`,
    )
    const id = await shop.make({
      from: rows[0]?.from.toISOString() ?? '',
      to: rows[0]?.to.toISOString() ?? '',
    })
    expect(await shop.report(id)).toMatchObject({
      state: 'retrying',
      reason: expect.stringMatching('ended less than 60 s ago') as string,
    })
    await late.query('commit')
    await shop.pool.query(
      `update orderwheel.orders set received_at = received_at - interval '2 minutes'`,
    )
    await shop.pool.query(
      `update orderwheel.reports set period_from = period_from - interval '2 minutes', period_to = period_to - interval '2 minutes'`,
    )
    await shop.letTimePass()
    await shop.workOff()
    expect(await shop.report(id)).toMatchObject({ state: 'ready', orders: 1 })
  } finally {
    late.release(true)
  }
})

test('a report expires: it says so, its file is deleted an hour later, and it is forgotten in the end', async () => {
  shop = await openReportingShop()
  await shop.storeOrder('2026-10-05T10:00:00Z')
  const id = await shop.make()
  const chunks = async () =>
    (await shop.pool.query('select from orderwheel.report_chunks')).rowCount ?? 0
  const upkeep = () => forgetOldReports(shop.db, AbortSignal.timeout(10_000))
  const expireAgo = (interval: string) =>
    shop.pool.query('update orderwheel.reports set expires_at = now() - $1::interval', [interval])
  const { rows } = await shop.pool.query<{ days: number }>(
    'select extract(days from expires_at - made_at)::int as days from orderwheel.reports',
  )
  expect(rows).toEqual([{ days: 7 }])

  await expireAgo('1 second')
  expect(await shop.report(id)).toMatchObject({ state: 'expired' })
  const answer = await shop.send(`/reports/${id}/file`)
  expect(answer.statusCode).toBe(410)
  expect(answer.json()).toMatchObject({ code: 'report-expired' })
  // Somebody may be downloading it.
  expect(await upkeep()).toBe(0)
  expect(await chunks()).toBe(1)
  await expireAgo('61 minutes')
  expect(await upkeep()).toBe(1)
  expect(await chunks()).toBe(0)
  expect((await shop.send(`/reports/${id}/file`)).statusCode).toBe(410)
  await expireAgo('91 days')
  await upkeep()
  expect((await shop.send(`/reports/${id}`)).json()).toMatchObject({ code: 'report-not-found' })
  await expectNothingLost()
})

test('a report that cannot be made becomes a dead letter; replayed once that is mended, it is there', async () => {
  shop = await openReportingShop({
    retry: { attempts: 2, delaySeconds: 1, maxDelaySeconds: 1 },
  })
  await shop.storeOrder('2026-10-05T10:00:00Z')
  await shop.pool.query(
    `alter table orderwheel.report_chunks add constraint broken check (number < 0) not valid`,
  )
  const id = await shop.make()
  expect(await shop.report(id)).toMatchObject({
    state: 'retrying',
    reason: expect.stringMatching('broken') as string,
  })
  await shop.letTimePass()
  await shop.workOff()
  expect(await shop.report(id)).toMatchObject({ state: 'failed' })
  const answer = await shop.send(`/reports/${id}/file`)
  expect(answer.json()).toMatchObject({ code: 'report-not-ready' })
  expect(answer.headers['retry-after']).toBe('300')
  await expectNothingLost()
  expect((await shop.send(`/messages/${id}`)).json()).toMatchObject({ state: 'needs-attention' })
  // Upkeep leaves alone what a person may still replay.
  await shop.pool.query(
    `update orderwheel.reports set requested_at = requested_at - interval '200 days'`,
  )
  await forgetOldReports(shop.db, AbortSignal.timeout(10_000))

  await shop.pool.query('alter table orderwheel.report_chunks drop constraint broken')
  const decision = { messageId: id, target: 'reports', decision: 'try-again', who: 'eva' } as const
  await decideDelivery(shop, { ...decision, reason: 'mended' })
  await shop.workOff()
  expect(await shop.report(id)).toMatchObject({ state: 'ready', orders: 1 })
  await expectNothingLost()
})

test('a message that asks for a report which nobody asked for is a dead letter that says so', async () => {
  shop = await openReportingShop()
  const { rows } = await shop.pool.query<{ id: string }>(
    `insert into orderwheel.outbox (kind, payload)
     values ('report.requested', '{"kind": "orders", "format": "csv", "from": "x", "to": "y"}') returning id`,
  )
  await shop.workOff()
  expect((await shop.send(`/messages/${rows[0]?.id}`)).json()).toMatchObject({
    deliveries: [{ state: 'dead', lastError: expect.stringMatching('POST /reports') as string }],
  })
})

// The first attempt is stopped before its second piece: a gate in the database that the test opens.
const gate = `
  create function orderwheel.wait_at_gate() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(4711);
    return new;
  end $$;
  create trigger gate before insert on orderwheel.report_chunks
    for each row when (new.number = 1) execute function orderwheel.wait_at_gate()`

test('a worker that is stopped in the middle of a report gives it back: it costs no attempt, and the next one makes it', async () => {
  shop = await openReportingShop()
  await shop.storeMany(4_000)
  const holder = await shop.pool.connect()
  try {
    await holder.query(gate)
    await holder.query('select pg_advisory_lock(4711)')
    const { id } = (await shop.ask()).json<{ id: string }>()
    await shop.relay()
    const worker = shop.startWorker({ stopSeconds: 2.1 })
    await eventually(someoneIsAtTheGate)
    await worker.stop()
    expect(await shop.attempts(id)).toMatchObject([{ outcome: 'handed-back' }])
    await holder.query('select pg_advisory_unlock(4711)')
    await shop.workOff()
    expect(await shop.report(id)).toMatchObject({ state: 'ready', orders: 4_000 })
    const { rows } = await shop.pool.query<{ uncharged: number }>(
      'select uncharged from orderwheel.deliveries where message_id = $1',
      [id],
    )
    expect(rows).toEqual([{ uncharged: 1 }])
  } finally {
    await holder.query('select pg_advisory_unlock_all()')
    holder.release()
  }
})

test('a report that is deleted while it is made is made no more: its worker ends at once, and nothing of it is left', async () => {
  shop = await openReportingShop()
  await shop.storeMany(9_000)
  const holder = await shop.pool.connect()
  try {
    await holder.query(gate)
    await holder.query('select pg_advisory_lock(4711)')
    const { id } = (await shop.ask()).json<{ id: string }>()
    await shop.relay()
    const worker = shop.startWorker()
    await eventually(someoneIsAtTheGate)
    expect(await shop.pieces()).toBe(1)
    const deleted = shop.remove(id)
    await holder.query('select pg_advisory_unlock(4711)')
    expect((await deleted).statusCode).toBe(204)
    await worker.drained(AbortSignal.timeout(20_000))
    await worker.stop()
    expect(await shop.pieces()).toBe(0)
    expect(await shop.report(id)).toMatchObject({ state: 'deleted', sums: null, madeAt: null })
    expect(await shop.attempts(id)).toMatchObject([{ outcome: 'delivered' }])
    expect((await shop.send(`/reports/${id}/file`)).json()).toMatchObject({
      code: 'report-deleted',
    })
    expect((await shop.send(`/messages/${id}`)).json()).toMatchObject({
      state: 'completed',
      deliveries: [{ state: 'delivered' }],
    })
    await expectNothingLost()
  } finally {
    await holder.query('select pg_advisory_unlock_all()')
    holder.release()
  }
})

test('a report that is deleted before anybody began it is not made, even when its period is not over for a minute', async () => {
  shop = await openReportingShop()
  await shop.storeOrder('2026-10-05T10:00:00Z')
  const { id } = (await shop.ask()).json<{ id: string }>()
  const { rows } = await shop.pool.query<{ now: Date }>('select now()')
  const early = (await shop.ask({ to: rows[0]?.now.toISOString() ?? '' })).json<{ id: string }>().id
  for (const one of [id, early]) expect((await shop.remove(one)).statusCode).toBe(204)
  await shop.workOff()
  expect(await shop.pieces()).toBe(0)
  for (const one of [id, early]) {
    expect(await shop.report(one)).toMatchObject({ state: 'deleted', reason: null })
    expect(await shop.attempts(one)).toMatchObject([{ outcome: 'delivered' }])
  }
  await shop.pool.query(
    `update orderwheel.reports set requested_at = requested_at - interval '91 days', deleted_at = deleted_at - interval '90 days'`,
  )
  await forgetOldReports(shop.db, AbortSignal.timeout(10_000))
  expect((await shop.send(`/reports/${id}`)).statusCode).toBe(404)
  await expectNothingLost()
})

test('a report that failed and was deleted leaves its dead letter; replayed, it ends without a file', async () => {
  shop = await openReportingShop({ retry: { attempts: 1, delaySeconds: 1, maxDelaySeconds: 1 } })
  await shop.pool.query(
    `alter table orderwheel.report_chunks add constraint broken check (number < 0) not valid`,
  )
  const id = await shop.make()
  expect(await shop.report(id)).toMatchObject({ state: 'failed' })
  expect((await shop.remove(id)).statusCode).toBe(204)
  expect(await shop.report(id)).toMatchObject({ state: 'deleted' })
  expect((await shop.send(`/messages/${id}`)).json()).toMatchObject({ state: 'needs-attention' })
  await shop.pool.query('alter table orderwheel.report_chunks drop constraint broken')
  const decision = { messageId: id, target: 'reports', decision: 'try-again', who: 'eva' } as const
  await decideDelivery(shop, { ...decision, reason: 'mended' })
  await shop.workOff()
  expect((await shop.send(`/messages/${id}`)).json()).toMatchObject({ state: 'completed' })
  expect(await shop.pieces()).toBe(0)
  await expectNothingLost()
})

async function someoneIsAtTheGate(): Promise<boolean> {
  const { rows } = await shop.pool.query(
    `select from pg_locks
      where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())`,
  )
  return rows.length > 0
}

test('a worker killed in the middle of a report: another makes it from the start, and nothing of the first is in it', async () => {
  shop = await openReportingShop()
  await shop.storeMany(4_000)
  const config = await writeConfig({ erp: `http({ url: 'http://127.0.0.1:9/' })` })
  const workers: OrderwheelProcess[] = []
  const holder = await shop.pool.connect()
  onTestFinished(() => config.remove())
  const startWorker = () => {
    const worker = startOrderwheel(['worker'], {
      DATABASE_URL: connectionString(shop.connection),
      ORDERWHEEL_CONFIG: config.path,
    })
    workers.push(worker)
    return worker
  }
  try {
    await holder.query(gate)
    await holder.query('select pg_advisory_lock(4711)')
    const { id } = (await shop.ask()).json<{ id: string }>()
    await shop.relay()
    const first = startWorker()
    await eventually(async () => (await shop.report(id))['state'] === 'making')
    await eventually(someoneIsAtTheGate)
    const { rows: begun } = await shop.pool.query<{ attempt: string }>(
      'select attempt from orderwheel.reports',
    )
    await first.stop('SIGKILL')
    // Two, who both would like to make it.
    startWorker()
    startWorker()
    await eventually(async () => {
      const { rows } = await shop.pool.query(
        `select from orderwheel.deliveries where message_id = $1 and lost_in_a_row > 0`,
        [id],
      )
      return rows.length > 0
    })
    await holder.query('select pg_advisory_unlock(4711)')
    await eventually(async () => (await shop.report(id))['state'] === 'ready', {
      withinSeconds: 40,
    })
    const { rows: made } = await shop.pool.query<{ attempt: string }>(
      'select distinct attempt from orderwheel.report_chunks',
    )
    expect(made).toHaveLength(1)
    expect(made[0]?.attempt).not.toBe(begun[0]?.attempt)
    const { payload, headers } = await shop.send(`/reports/${id}/file`)
    expect(headers.etag).toBe(`"${createHash('sha256').update(payload).digest('hex')}"`)
    const numbers = payload
      .split('\r\n')
      .slice(1, -1)
      .map((line) => line.split(',')[1])
    expect(numbers).toEqual(Array.from({ length: 4_000 }, (_, n) => `WEB-${n + 1}`))
    await eventually(async () => {
      const outcomes = await shop.attempts(id)
      return outcomes.map(({ outcome }) => outcome).join() === 'abandoned,delivered'
    })
    await expectNothingLost()
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
    await holder.query('select pg_advisory_unlock_all()')
    holder.release()
  }
})
