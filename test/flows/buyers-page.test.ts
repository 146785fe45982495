import { hash } from 'node:crypto'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { openDatabase } from '#database/open-database.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { buildApp } from '#http/build-app.ts'
import { statusPage } from '#http/buyers/status-page.ts'
import { giveUp } from '#targets/outcome.ts'

import { newOrder, send, startTestApi, type TestApi } from '../http/test-api.ts'
import { eventually } from '../support/eventually.ts'
import { type Listener, listenToEvents } from '../support/listen-to-events.ts'
import { findBrowser, openInBrowser } from '../support/start-browser.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let api: TestApi
let shop: TestShop
let refuses: boolean

beforeEach(async () => {
  refuses = false
  api = await startTestApi()
  const erp = testTarget('erp', {
    call: async () => (refuses ? giveUp('Ada Lovelace owes us money') : { kind: 'delivered' }),
  })
  shop = await openTestShop([erp], undefined, api)
})
afterEach(() => shop.close())

test('a buyer sees where the order is, in their language, and nothing of what is behind', async () => {
  refuses = true
  const order = newOrder()
  const { id, link } = await place(order)
  const found = await api.get(`/orders/${id}`)
  expect(found.body).toMatchObject({ links: { status: link } })
  expect((await api.post(order, { idempotencyKey: order.externalId })).body).toMatchObject({
    code: 'order-exists',
  })

  const page = await show(link)
  expect(page.status).toBe(200)
  expect(Object.fromEntries(page.headers)).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'no-referrer',
    'cache-control': 'private, no-store',
    'x-robots-tag': 'noindex, nofollow',
  })
  expect(page.text).toMatch(/<html lang="de">[^]*<h1 aria-live="polite">Eingegangen<\/h1>/)
  expect(page.text).toContain(`Bestellung <b>${order.externalId}</b>`)
  expect(page.text).toMatch(
    /<time datetime="20\d\d-[^"]+Z">\d+\. \S+ 20\d\d um \d\d:\d\d UTC<\/time>/,
  )
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))
  const stuck = await show(link)
  expect(stuck.text).toContain('In Bearbeitung</h1>')
  for (const secret of ['erp', 'Ada', 'Hauptstra', 'owes', 'dead', 'attention', '463', id])
    expect(stuck.text).not.toContain(secret)
})

test('the page loads nothing, runs its own script only, and asks again by itself without it', async () => {
  const { link } = await place(
    newOrder({ customer: { email: 'a@example.com', name: 'A', locale: 'fr' } }),
  )
  const { headers, text } = await show(link)
  expect(text).toContain('Reçue</h1>')
  const policy = headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(/^default-src 'none'; /)
  for (const tag of ['style', 'script']) {
    const [, source = ''] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(text) ?? []
    expect(policy).toContain(`${tag}-src 'sha256-${hash('sha256', source, 'base64')}'`)
  }
  expect(text).not.toMatch(/https?:|src=|href=|\son\w+="/)
  expect(text).toContain('<noscript><meta http-equiv="refresh" content="15"></noscript>')
})

test('the link cannot be guessed, and one that is not ours leads nowhere', async () => {
  const { id, link } = await place(newOrder())
  const other = await place(newOrder())
  expect(link).toMatch(/^\/status\/[\w-]{43}$/)
  const bytes = Buffer.from(link.slice('/status/'.length), 'base64url')
  const mixed = Buffer.concat([
    Buffer.from(other.id.replaceAll('-', ''), 'hex'),
    bytes.subarray(16),
  ])
  const flipped = Buffer.from(bytes)
  flipped[31] = (flipped[31] ?? 0) ^ 1
  const respelled = `${link.slice(0, -1)}${String.fromCharCode(link.charCodeAt(link.length - 1) + 1)}`
  const wrong = [mixed.toString('base64url'), flipped.toString('base64url'), respelled.slice(8)]
  for (const token of [...wrong, id, 'x', '%00', '..%2f..%2forders', 'a'.repeat(90)]) {
    const page = await show(`/status/${token}`, { 'accept-language': 'pt, de;q=0.8' })
    expect(page.status).toBe(404)
    expect(page.text).toContain('Hier ist keine Bestellung')
    expect(page.headers.get('content-security-policy')).toMatch("default-src 'none'")
    expect(await listenToEvents(`${api.url}/status/${token}/events`)).toMatchObject({ status: 404 })
  }
  const logged = JSON.stringify(api.logged)
  expect(logged).toContain('/status/:token')
  expect(logged).not.toContain(link)
})

test('any process of this database, and one that was restarted, knows the link', async () => {
  const { link } = await place(newOrder())
  const database = openDatabase({
    connection: api.connection,
    applicationName: 'orderwheel-test-other',
    maxConnections: 3,
    onConnectionLost: () => {},
  })
  const log = createLog('test', 'silent')
  const app = await buildApp({ ...database, log, outboxChanged: () => {}, production: true })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  try {
    expect((await send(`${url}${link}`)).status).toBe(200)
  } finally {
    await app.close()
    await database.close()
  }
})

test('who is forgotten has no page any more, and who listens is told nothing more', async () => {
  const order = newOrder()
  const idempotencyKey = order.externalId
  const placed = await api.post(order, { idempotencyKey })
  const { id, links } = placed.body as { id: string; links: { status: string } }
  const link = links.status
  await shop.relay()
  const listener = await listenToEvents(`${api.url}${link}/events`)
  await eventually(() => listener.events.length > 0)
  await forgetPerson(shop.db, {
    person: { email: 'ada@example.com', customerId: null },
    who: 'test',
    reason: null,
    evenOpen: true,
    dryRun: false,
  })
  await listener.ended
  expect((await show(link)).status).toBe(404)
  expect(await listenToEvents(`${api.url}${link}/events`)).toMatchObject({ status: 404 })
  const answers = [
    await api.post(order, { idempotencyKey }),
    await api.get(`/orders/${id}`),
    await api.get(`/orders?externalId=${order.externalId}`),
  ]
  // Nor is it given as a link.
  for (const { body } of answers) expect(body).toMatchObject({ id })
  expect(answers.map(({ body }) => (body as { links: object }).links)).toEqual(
    answers.map(() => ({ self: `/orders/${id}` })),
  )
})

test('a buyer is told each state once, and goes on where they were', async () => {
  refuses = true
  const { link } = await place(newOrder({ customer: { email: 'a@example.com', name: 'A' } }))
  const live = await listenToEvents(`${api.url}${link}/events`)
  expect(live.headers.get('access-control-allow-origin')).toBe('*')
  await shop.relay()
  await shop.startWorker().drained(AbortSignal.timeout(30_000))
  await eventually(() => live.events.length === 2)
  await shop.db.updateTable('orderwheel.deliveries').set({ state: 'skipped' }).execute()
  await live.ended
  expect(live.events.map(({ event, id, data: { text } }) => [event, id, text])).toEqual([
    ['status', '0-received', 'Received'],
    ['status', '1-preparing', 'Being prepared'],
    ['status', '2-confirmed', 'Confirmed'],
    ['end', undefined, undefined],
  ])
  const again = (headers: Record<string, string>, query = '') =>
    listenToEvents(`${api.url}${link}/events${query}`, headers)
  const rest = await again({ 'last-event-id': '0-received' })
  await rest.ended
  expect(rest.events).toEqual(live.events.slice(1))
  const asked = await again({}, '?after=1-preparing')
  await asked.ended
  expect(asked.events).toEqual(live.events.slice(2))
  expect((await again({ 'last-event-id': '2-confirmed' })).status).toBe(204)
  expect((await show(link)).text).not.toMatch(/<script|http-equiv/)
})

test('a buyer who cancelled reads so, though a target has to be looked at by a person', async () => {
  refuses = true
  const { id, link } = await place(newOrder())
  await tellAll()
  const live = await listenToEvents(`${api.url}${link}/events`)
  await eventually(() => live.events.length === 2)
  await cancel(id)
  await live.ended
  expect(textsOf(live)).toEqual(['Eingegangen', 'In Bearbeitung', 'Storniert'])
  await tellAll()
  expect((await api.get(`/orders/${id}`)).body).toMatchObject({ state: 'needs-attention' })
  expect((await show(link)).text).toContain('Storniert</h1>')
  expect((await listenToEvents(`${api.url}${link}/events?after=2-cancelled`)).status).toBe(204)
})

test('what was confirmed stays so whatever else is told, until the order is cancelled', async () => {
  const { id, link } = await place(newOrder())
  await tellAll()
  expect((await show(link)).text).toContain('Bestätigt</h1>')
  refuses = true
  const tell = `insert into orderwheel.outbox (order_id, kind) values ($1, 'order.placed')`
  await shop.pool.query(tell, [id])
  expect((await show(link)).text).toContain('Bestätigt</h1>')
  await tellAll()
  expect((await api.get(`/orders/${id}`)).body).toMatchObject({ state: 'needs-attention' })
  expect((await show(link)).text).toContain('Bestätigt</h1>')
  await cancel(id)
  const whole = await listenToEvents(`${api.url}${link}/events`)
  await whole.ended
  expect(textsOf(whole)).toEqual(['Eingegangen', 'In Bearbeitung', 'Bestätigt', 'Storniert'])
})

test('what an order is called can do nothing to the page', () => {
  const number = `</title><script>alert(1)</script>"'><img src=x onerror=alert(1)>&`
  const steps = [{ state: 'received', at: '2026-11-23T10:00:00.000Z' }] as const
  const html = statusPage({
    number,
    language: 'en',
    locale: 'en-"><b>',
    steps: [...steps],
    events: `"'<x>`,
  })
  expect(html.match(/<script>/g)).toHaveLength(1)
  expect(html).not.toMatch(/<img|alert\(1\)<\/script>|<x>|<b><\/b>/)
  expect(html).toContain(
    '&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img',
  )
  expect(html).toContain('November 23, 2026 at 10:00')
})

const browser = findBrowser()
if (browser === undefined) console.warn('No Chromium here: the page is not looked at in a browser.')

test.skipIf(browser === undefined)(
  'in a browser the page follows the order by itself',
  async () => {
    const { link } = await place(newOrder())
    const { page, stop } = await openInBrowser(browser ?? '', `${api.url}${link}`)
    try {
      const heading = () => page.evaluate(`document.querySelector('h1')?.textContent`)
      await eventually(async () => (await heading()) === 'Eingegangen')
      await shop.relay()
      await shop.startWorker().drained(AbortSignal.timeout(30_000))
      await eventually(async () => (await heading()) === 'Bestätigt')
      const items = `[...document.querySelectorAll('li')].map((item) => item.firstChild.data.trim()).join()`
      expect(await page.evaluate(items)).toMatch(/^Eingegangen,(In Bearbeitung,)?Bestätigt$/)
      expect(await page.evaluate(`document.querySelector('main').dataset.state`)).toBe('confirmed')
      expect(page.complaints.filter((complaint) => !complaint.includes('favicon'))).toEqual([])
    } finally {
      await stop()
    }
  },
)

async function place(order: ReturnType<typeof newOrder>) {
  const { body } = await api.post(order)
  const { id, links } = body as { id: string; links: { status: string } }
  return { id, link: links.status }
}

function show(link: string, headers: Record<string, string> = {}) {
  return send(`${api.url}${link}`, { headers })
}

async function tellAll() {
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(30_000))
  await worker.stop()
}

async function cancel(orderId: string) {
  const headers = { authorization: `Bearer ${api.key}` }
  const url = `${api.url}/orders/${orderId}/cancellation`
  expect((await send(url, { method: 'POST', headers })).status).toBe(202)
}

function textsOf({ events }: Listener) {
  return events.flatMap(({ data: { text } }) => text ?? [])
}
