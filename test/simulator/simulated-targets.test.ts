import { connect } from 'node:net'

import { expect, test } from 'vitest'

import type { RecordedCall } from '#simulator/recorded-calls.ts'
import { nextNumber } from '#simulator/usual-answer.ts'

import { eventually } from '../support/eventually.ts'
import { getJson, put, startTestSimulator } from './start-test-simulator.ts'

test('the ERP answers with the number it gave the order, and remembers what it was sent', async () => {
  const { url } = await startTestSimulator()
  const answer = await postOrder(`${url}/erp/orders?dry=1`, 'K-1')
  expect(answer.status).toBe(201)
  expect(await answer.json()).toMatchObject({ erpNumber: numbered('ERP') })

  const [call, ...others] = await callsOf(url, 'erp')
  expect(others).toEqual([])
  expect(call).toMatchObject({
    method: 'POST',
    path: '/erp/orders?dry=1',
    body: { order: 'WEB-1' },
    rawBody: '{"order": "WEB-1"}',
    idempotencyKey: 'K-1',
    answered: 201,
    repeated: false,
  })
  expect(call?.headers['content-type']).toBe('application/json')
  expect(call?.durationMs).toBeTypeOf('number')
})

test('the ERP never gives a number twice, whether it was restarted or not', async () => {
  const moduleAfterRestart = '#simulator/usual-answer.ts?after-restart'
  const { nextNumber: afterRestart } = (await import(moduleAfterRestart)) as {
    nextNumber: () => number
  }
  const before = Array.from({ length: 10 }, nextNumber)
  await eventually(() => Date.now() - Date.UTC(2026, 0, 1) > Math.max(...before))

  const numbers = [...before, ...Array.from({ length: 10 }, afterRestart)]

  expect(new Set(numbers).size).toBe(20)
  expect(numbers.toSorted((one, other) => one - other)).toEqual(numbers)
})

test('each target answers like the system it plays', async () => {
  const { url } = await startTestSimulator()
  const answers = new Map<string, unknown>()
  for (const target of [
    'partner-webhook',
    'inventory-eu',
    'receipt',
    'analytics',
    'crm',
    'shipping',
    'sms',
    'push',
    'loyalty',
  ]) {
    const response = await fetch(`${url}/${target}`)
    answers.set(target, [response.status, await response.json()])
  }
  expect(Object.fromEntries(answers)).toEqual({
    'partner-webhook': [200, { received: true }],
    'inventory-eu': [200, { reservation: numbered('RES'), reserved: true }],
    receipt: [201, { receiptNumber: numbered('REC') }],
    analytics: [202, { accepted: true }],
    crm: [200, { customerId: numbered('CRM'), cancelled: false }],
    shipping: [
      200,
      { carrier: 'DHL', service: 'Paket', amount: 490, label: numbered('LBL'), days: 2 },
    ],
    sms: [201, { sid: expect.stringMatching(/^SM\d+$/) as string, status: 'queued' }],
    push: [200, { name: expect.stringMatching(/^projects\/shop\/messages\/\d+$/) as string }],
    loyalty: [200, { ok: true }],
  })
})

test('each target that is told of a cancellation answers what became of what it did', async () => {
  const { url } = await startTestSimulator()
  const told = async (path: string, body: object) => {
    const answer = await fetch(url + path, { method: 'PUT', body: JSON.stringify(body) })
    return [answer.status, await answer.json()]
  }
  expect(await told('/erp/orders/WEB-1', { cancelled: true })).toEqual([
    200,
    { status: 'cancelled' },
  ])
  expect(await told('/inventory-us/reservations/WEB-1', { released: true })).toEqual([
    200,
    { reserved: false },
  ])
  expect(await told('/crm/customers/ada/orders/WEB-1', { cancelled: true })).toEqual([
    200,
    { customerId: numbered('CRM'), cancelled: true },
  ])
  expect(await told('/shipping/shipments/WEB-1/void?now', { label: 'LBL-7' })).toEqual([
    200,
    { label: 'LBL-7', voided: true },
  ])
})

test('an answer takes the latency divided by the speed', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { latencyMs: 1_500_000, jitterMs: 500_000 })
  await postOrder(`${url}/erp/orders`, 'K-1')
  // At least: a busy machine adds what it likes. One millisecond for the rounding of timers.
  expect((await callsOf(url, 'erp'))[0]?.durationMs).toBeGreaterThanOrEqual(99)
})

test('forgetting the calls of one target leaves those of the others', async () => {
  const { url } = await startTestSimulator()
  await postOrder(`${url}/erp/orders`, 'K-1')
  await postOrder(`${url}/inventory/orders`, 'K-1')
  expect((await fetch(`${url}/erp/calls`, { method: 'DELETE' })).status).toBe(204)
  expect(await callsOf(url, 'erp')).toEqual([])
  expect(await callsOf(url, 'inventory')).toHaveLength(1)
})

test('only the last 10 000 calls are kept', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/analytics/behaviour`, { outage: true })
  for (let sent = 0; sent < 10_050; sent += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => fetch(`${url}/analytics/${sent + i}`)))
  }
  const calls = await callsOf(url, 'analytics')
  expect(calls).toHaveLength(10_000)
  expect(calls.some(({ path }) => path === '/analytics/0')).toBe(false)
  expect(calls.some(({ path }) => path === '/analytics/10049')).toBe(true)
})

test('a target that is down answers 503 and says when to come back', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { outage: true, retryAfterSeconds: 3 })
  const answer = await postOrder(`${url}/erp/orders`, 'K-1')
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('3')
  expect(await callsOf(url, 'erp')).toMatchObject([{ answered: 503 }])
})

test('a target told to answer 429 sends Retry-After with it, and with 422 does not', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { status: 429, retryAfterSeconds: 3 })
  const slowDown = await postOrder(`${url}/erp/orders`, 'K-1')
  expect([slowDown.status, slowDown.headers.get('retry-after')]).toEqual([429, '3'])

  await put(`${url}/erp/behaviour`, { status: 422 })
  const refused = await postOrder(`${url}/erp/orders`, 'K-1')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([422, null])
})

test('who follows a redirect is seen', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/partner-webhook/behaviour`, { status: 302 })
  await fetch(`${url}/partner-webhook/`)
  expect(await callsOf(url, 'redirected')).toHaveLength(1)
})

test('an error rate of 1 fails every call, of 0 none', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { errorRate: 1 })
  expect((await postOrder(`${url}/erp/orders`, 'K-1')).status).toBe(500)
  await put(`${url}/erp/behaviour`, { errorRate: 0 })
  expect((await postOrder(`${url}/erp/orders`, 'K-1')).status).toBe(201)
})

test('a call whose client gave up waiting is recorded as not answered', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { hang: true })
  const client = new AbortController()
  const lost = fetch(`${url}/erp/orders`, { method: 'POST', body: '{}', signal: client.signal })
  await eventually(async () => (await callsOf(url, 'erp')).length === 1)
  expect(await callsOf(url, 'erp')).toMatchObject([{ answered: null, durationMs: null }])

  client.abort()
  await expect(lost).rejects.toThrow('aborted')
  await eventually(async () => (await callsOf(url, 'erp'))[0]?.durationMs !== null)
  expect(await callsOf(url, 'erp')).toMatchObject([{ answered: null }])
})

test('a target that dedupes acts once on a key, even when its first answer was lost', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { dedupe: true, latencyMs: 3_000_000 })
  const client = new AbortController()
  const lost = postOrder(`${url}/erp/orders`, 'K-1', client.signal)
  await eventually(async () => (await callsOf(url, 'erp')).length === 1)
  client.abort()
  await expect(lost).rejects.toThrow('aborted')

  const again = await postOrder(`${url}/erp/orders`, 'K-1')
  const { erpNumber } = (await again.json()) as { erpNumber: string }
  expect(erpNumber).toEqual(numbered('ERP'))
  await put(`${url}/erp/behaviour`, { latencyMs: 0 })
  const other = await postOrder(`${url}/erp/orders`, 'K-2')
  expect(((await other.json()) as { erpNumber: string }).erpNumber).not.toBe(erpNumber)
  expect(await callsOf(url, 'erp')).toMatchObject([
    { answered: null, repeated: false },
    { answered: 201, repeated: true },
    { answered: 201, repeated: false },
  ])
})

test('a target that dedupes tries again what it failed at', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/erp/behaviour`, { dedupe: true, status: 500 })
  expect((await postOrder(`${url}/erp/orders`, 'K-1')).status).toBe(500)
  await put(`${url}/erp/behaviour`, { status: null })
  expect((await postOrder(`${url}/erp/orders`, 'K-1')).status).toBe(201)
  expect(await callsOf(url, 'erp')).toMatchObject([{ repeated: false }, { repeated: false }])
})

test('a body over 1 MiB is answered 413 and cut in the record', async () => {
  const { url } = await startTestSimulator()
  const answer = await fetch(`${url}/erp/orders`, { method: 'POST', body: 'x'.repeat(1_048_577) })
  expect(answer.status).toBe(413)
  expect((await callsOf(url, 'erp'))[0]?.rawBody).toHaveLength(1_048_576)
})

test('a client that breaks off in the middle of its body harms nobody', async () => {
  const { url } = await startTestSimulator()
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write('POST /erp/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf')
  await eventually(async () => (await callsOf(url, 'erp')).length === 1)
  socket.destroy()
  await eventually(async () => (await callsOf(url, 'erp'))[0]?.durationMs !== null)
  expect((await postOrder(`${url}/erp/orders`, 'K-1')).status).toBe(201)
})

function numbered(prefix: string): string {
  return expect.stringMatching(new RegExp(`^${prefix}-\\d{9,}$`)) as string
}

function callsOf(url: string, target: string): Promise<RecordedCall[]> {
  return getJson<RecordedCall[]>(`${url}/${target}/calls`)
}

function postOrder(
  url: string,
  idempotencyKey: string,
  signal: AbortSignal | null = null,
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
    body: '{"order": "WEB-1"}',
    signal,
  })
}
