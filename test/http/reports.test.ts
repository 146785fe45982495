import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'

import { afterEach, expect, test } from 'vitest'

import { createKey } from '#keys/create-key.ts'
import { mostKeptBytes } from '#reports/ask-for-report.ts'

import { eventually } from '../support/eventually.ts'
import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'

let shop: ReportingShop
afterEach(() => shop.close())

test('asking again with the same key asks for nothing more; with another body it is refused', async () => {
  shop = await openReportingShop()
  const key = { 'idempotency-key': 'october' }
  const first = await shop.ask({}, key)
  const again = await shop.ask({}, key)
  expect(again.json()).toEqual(first.json())
  expect(again.headers['idempotent-replayed']).toBe('true')
  expect((await shop.ask({ format: 'pdf' }, key)).json()).toMatchObject({
    code: 'idempotency-key-reused',
  })
  const { rows } = await shop.pool.query('select from orderwheel.reports')
  expect(rows).toHaveLength(1)
})

const future = new Date(Date.now() + 86_400_000).toISOString()

test.for<[string, object | string, number, string, string?]>([
  ['nothing', {}, 422, 'invalid-report', '/kind'],
  ['another kind', { kind: 'customers' }, 422, 'invalid-report', '/kind'],
  ['another format', { format: 'xlsx' }, 422, 'invalid-report', '/format'],
  ['a day without a time', { from: '2026-10-01' }, 422, 'invalid-report', '/from'],
  ['a day that is none', { from: '2026-02-31T00:00:00Z' }, 422, 'invalid-report', '/from'],
  ['an unknown field', { email: 'ada@example.com' }, 422, 'invalid-report', '/email'],
  ['an end before its beginning', { to: '2026-09-01T00:00:00Z' }, 422, 'invalid-report', '/to'],
  ['no length', { to: '2026-10-01T00:00:00Z' }, 422, 'invalid-report', '/to'],
  ['a period of two years', { from: '2024-10-01T00:00:00Z' }, 422, 'invalid-report', '/to'],
  ['the future', { to: future }, 422, 'invalid-report', '/to'],
  ['a NUL', { kind: 'orders\u0000' }, 422, 'invalid-report', '/kind'],
  ['no JSON', '{"kind": ', 400, 'invalid-json'],
])('asking for a report with %s is refused, and nothing is left of it', async (given) => {
  const [what, wanted, status, code, pointer] = given
  shop = await openReportingShop()
  const answer = await shop.ask(what === 'nothing' ? '{}' : wanted)
  expect(answer.statusCode).toBe(status)
  const problem = answer.json<{ code: string; errors?: { pointer: string }[] }>()
  expect(problem.code).toBe(code)
  expect(problem.errors?.map((error) => error.pointer) ?? [undefined]).toContain(pointer)
  const { rows } = await shop.pool.query(
    'select id from orderwheel.reports union select id from orderwheel.outbox',
  )
  expect(rows).toEqual([])
})

test('reports are listed, the latest first, page by page, for every key that may ask for them', async () => {
  shop = await openReportingShop()
  const ids: string[] = []
  for (const format of ['csv', 'pdf', 'csv']) ids.unshift(await shop.make({ format }))
  await shop.remove(ids[1] ?? '')
  const list = async (query: string) => (await shop.send(`/reports${query}`)).json()
  expect(await list('')).toMatchObject({
    reports: [
      {
        id: ids[0],
        state: 'ready',
        requestedBy: 'books',
        links: { file: `/reports/${ids[0]}/file` },
      },
      { id: ids[1], state: 'deleted', format: 'pdf' },
      { id: ids[2], state: 'ready' },
    ],
    nextCursor: null,
  })
  const first = await list('?limit=2')
  expect(first).toMatchObject({ reports: [{ id: ids[0] }, { id: ids[1] }], nextCursor: ids[1] })
  expect(await list(`?limit=2&cursor=${first.nextCursor}`)).toMatchObject({
    reports: [{ id: ids[2] }],
    nextCursor: null,
  })
  for (const query of ['?limit=0', '?limit=501', '?cursor=x', '?state=ready'])
    expect(await shop.send(`/reports${query}`)).toMatchObject({ statusCode: 422 })
  const { key } = await createKey(shop.db, { name: 'till', scopes: ['orders:read'], who: 'test' })
  const headers = { authorization: `Bearer ${key}` }
  expect(await shop.send('/reports', { headers })).toMatchObject({ statusCode: 403 })
})

test('a key may wait for five reports, however many it asks for at once; another key is not held up', async () => {
  shop = await openReportingShop()
  const asked = await Promise.all(Array.from({ length: 9 }, () => shop.ask()))
  const answered = (status: number) => asked.filter(({ statusCode }) => statusCode === status)
  expect([answered(202).length, answered(429).length]).toEqual([5, 4])
  const [refused] = answered(429)
  expect(refused?.json()).toMatchObject({ code: 'too-many-reports' })
  expect(refused?.headers['retry-after']).toBe('30')
  const other = { authorization: `Bearer ${await shop.newKey('tax')}` }
  expect((await shop.ask({}, other)).statusCode).toBe(202)
  await shop.workOff()
  expect((await shop.ask()).statusCode).toBe(202)
})

test('a key whose files take a gibibyte gets no further report until some have expired; another key does', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  const grow = (bytes: number) =>
    shop.pool.query('update orderwheel.reports set bytes = $1 where id = $2', [bytes, id])
  await grow(mostKeptBytes - 1)
  expect((await shop.ask()).statusCode).toBe(202)
  await grow(mostKeptBytes)
  const refused = await shop.ask()
  expect(refused.statusCode).toBe(429)
  expect(refused.headers['retry-after']).toBe('3600')
  expect(refused.json()).toMatchObject({
    code: 'too-many-reports',
    detail: expect.stringMatching('1 GiB') as string,
  })
  const other = { authorization: `Bearer ${await shop.newKey('tax')}` }
  expect((await shop.ask({}, other)).statusCode).toBe(202)
  await shop.pool.query(`update orderwheel.reports set expires_at = now() where id = $1`, [id])
  expect((await shop.ask()).statusCode).toBe(202)
})

test('a key without the scope gets nothing', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  const scopes = ['orders:read', 'orders:write'] as const
  const { key } = await createKey(shop.db, { name: 'shop', scopes, who: 'test' })
  const headers = { authorization: `Bearer ${key}` }
  expect((await shop.ask({}, headers)).statusCode).toBe(403)
  for (const path of [`/reports/${id}`, `/reports/${id}/file`])
    expect((await shop.send(path, { headers })).statusCode).toBe(403)
})

test('a PDF that nobody would read is refused when it is asked for', async () => {
  shop = await openReportingShop()
  await shop.storeMany(50_001)
  const answer = await shop.ask({ format: 'pdf' })
  expect(answer.statusCode).toBe(422)
  expect(answer.json()).toMatchObject({
    code: 'invalid-report',
    errors: [{ pointer: '/format', detail: expect.stringMatching('50000 orders') as string }],
  })
  // A key at its limit hears that, and has nothing counted.
  for (let n = 0; n < 5; n += 1) expect((await shop.ask()).statusCode).toBe(202)
  expect((await shop.ask({ format: 'pdf' })).json()).toMatchObject({ code: 'too-many-reports' })
})

test('however many ask for reports at once, two connections to the database are kept busy, one for each key', async () => {
  shop = await openReportingShop()
  const tax = { authorization: `Bearer ${await shop.newKey('tax')}` }
  const busy = async () => {
    const { rows } = await shop.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length
  }
  const holder = await shop.pool.connect()
  const asked: ReturnType<ReportingShop['ask']>[] = []
  try {
    await holder.query('begin; lock table orderwheel.reports in access exclusive mode')
    for (let n = 0; n < 30; n += 1) asked.push(shop.ask())
    const first = await Promise.race(asked)
    expect(first.json()).toMatchObject({
      code: 'too-many-reports',
      detail: expect.stringMatching('at once') as string,
    })
    await eventually(async () => (await busy()) > 0)
    expect(await busy()).toBe(1)
    asked.push(shop.ask({}, tax))
    await eventually(async () => (await busy()) === 2)
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode)
  expect(statuses.filter((status) => status === 202)).toHaveLength(6)
})

test('a part of a file, a file that somebody has already, and its size alone can be asked for', async () => {
  shop = await openReportingShop()
  await shop.storeMany(3_000)
  const id = await shop.make()
  const path = `/reports/${id}/file`
  const whole = await shop.send(path)
  const all = whole.rawPayload
  expect(all.length).toBeGreaterThan(262_144 + 1_000)

  const middle = await shop.send(path, { headers: { range: 'bytes=262100-262200' } })
  expect(middle.statusCode).toBe(206)
  expect(middle.headers['content-range']).toBe(`bytes 262100-262200/${all.length}`)
  expect(middle.rawPayload).toEqual(all.subarray(262_100, 262_201))
  const end = await shop.send(path, { headers: { range: 'bytes=-10' } })
  expect(end.rawPayload).toEqual(all.subarray(-10))
  const open = await shop.send(path, { headers: { range: 'bytes=262144-' } })
  expect(open.rawPayload).toEqual(all.subarray(262_144))
  const other = { range: 'bytes=0-9', 'if-range': '"of another file"' }
  expect((await shop.send(path, { headers: other })).statusCode).toBe(200)
  const beyond = await shop.send(path, { headers: { range: `bytes=${all.length}-` } })
  expect(beyond.statusCode).toBe(416)
  expect(beyond.headers['content-range']).toBe(`bytes */${all.length}`)
  const etag = String(whole.headers.etag)
  expect((await shop.send(path, { headers: { 'if-none-match': etag } })).statusCode).toBe(304)
  const head = await shop.send(path, { method: 'HEAD' })
  expect(head.headers['content-length']).toBe(String(all.length))
  expect(head.rawPayload).toHaveLength(0)
})

test('a download that is read slowly, or broken off, holds no connection to the database', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  // 20 MiB: more than sockets hold.
  await shop.grow(id, 80)
  const url = await shop.app.listen({ host: '127.0.0.1', port: 0 })
  const request = get(`${url}/reports/${id}/file`, {
    headers: { authorization: `Bearer ${shop.key}` },
    agent: false,
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  expect(response.headers['content-length']).toBe(String(80 * 262_144))
  response.pause()
  const isIdle = () => shop.pool.idleCount === shop.pool.totalCount && shop.pool.waitingCount === 0
  // It has stopped asking for more, since nobody takes what it has.
  let before = -1
  await eventually(() => {
    const written = response.socket.bytesRead
    const stands = written === before && isIdle()
    before = written
    return stands
  })
  expect(before).toBeLessThan(80 * 262_144)
  const { rows: busy } = await shop.pool.query(
    `select from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`,
  )
  expect(busy).toEqual([])
  response.destroy()
  // Whoever comes next gets all of it.
  const again = await fetch(`${url}/reports/${id}/file`, {
    headers: { authorization: `Bearer ${shop.key}` },
  })
  expect((await again.arrayBuffer()).byteLength).toBe(80 * 262_144)
})
