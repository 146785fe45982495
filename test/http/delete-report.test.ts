import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'

import { afterEach, expect, test } from 'vitest'

import { createKey } from '#keys/create-key.ts'
import { mostKeptBytes } from '#reports/ask-for-report.ts'
import { forgetOldReports } from '#reports/forget-old-reports.ts'

import { eventually } from '../support/eventually.ts'
import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'

let shop: ReportingShop
afterEach(() => shop.close())

const upkeep = () => forgetOldReports(shop.db, AbortSignal.timeout(10_000))

const recorded = async () =>
  (
    await shop.pool.query<{ who: string; subject: string; details: object }>(
      `select who, subject, details from orderwheel.audit_log where action = 'report.deleted'`,
    )
  ).rows

test('a deleted report is gone at once, says so, and is known until it would have been forgotten', async () => {
  shop = await openReportingShop()
  await shop.storeOrder('2026-10-05T10:00:00Z')
  const id = await shop.make()
  const other = await shop.make()
  const answer = await shop.remove(id)
  expect([answer.statusCode, answer.payload]).toEqual([204, ''])
  expect(await shop.pieces()).toBe(1)
  expect(await shop.report(id)).toMatchObject({
    state: 'deleted',
    deletedAt: expect.any(String) as string,
    orders: 1,
  })
  const file = await shop.send(`/reports/${id}/file`)
  expect([file.statusCode, file.json<{ code: string }>().code]).toEqual([410, 'report-deleted'])
  expect(file.headers.etag).toBeUndefined()
  expect(await recorded()).toMatchObject([
    { who: 'books', subject: id, details: { requestedBy: 'books', format: 'csv', orders: 1 } },
  ])
  expect((await shop.send(`/reports/${other}/file`)).statusCode).toBe(200)

  const seen = await shop.report(id)
  // Many clients say of nothing that it is JSON.
  const again = await shop.remove(id, { 'content-type': 'application/json' })
  expect(again.statusCode).toBe(204)
  expect(await shop.report(id)).toEqual(seen)
  expect(await recorded()).toHaveLength(1)

  const ago = (interval: string) =>
    shop.pool.query(
      `update orderwheel.reports set expires_at = now() - $1::interval, deleted_at = deleted_at - interval '8 days'
        where id = $2`,
      [interval, id],
    )
  await ago('89 days')
  await upkeep()
  expect(await shop.report(id)).toMatchObject({ state: 'deleted' })
  await ago('91 days')
  await upkeep()
  expect((await shop.send(`/reports/${id}`)).statusCode).toBe(404)
  expect((await shop.remove(id)).statusCode).toBe(404)
})

test('two who delete a report at the same moment are both told that it is deleted, and one has done it', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  await shop.grow(id, 200)
  const answers = await Promise.all(Array.from({ length: 6 }, () => shop.remove(id)))
  expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(6).fill(204))
  expect(await shop.pieces()).toBe(0)
  expect(await recorded()).toHaveLength(1)
})

test('what does not exist is not deleted, nor by who may not; another key that may see it may', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  for (const unknown of ['019aaaaa-0000-7000-8000-000000000000', 'october'])
    expect((await shop.remove(unknown)).json()).toMatchObject({ code: 'report-not-found' })
  const scopes = ['orders:read', 'orders:write'] as const
  const { key } = await createKey(shop.db, { name: 'shop', scopes, who: 'test' })
  const refused = await shop.remove(id, { authorization: `Bearer ${key}` })
  expect(refused.statusCode).toBe(403)
  expect(await shop.report(id)).toMatchObject({ state: 'ready', deletedAt: null })
  const tax = { authorization: `Bearer ${await shop.newKey('tax')}` }
  expect((await shop.remove(id, tax)).statusCode).toBe(204)
  expect(await recorded()).toMatchObject([{ who: 'tax', details: { requestedBy: 'books' } }])
})

test('deleting makes room for a key that keeps a gibibyte; for one that waits for five, when a worker has seen it', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  await shop.pool.query('update orderwheel.reports set bytes = $1', [mostKeptBytes])
  expect((await shop.ask()).statusCode).toBe(429)
  await shop.remove(id)
  const asked = []
  for (let n = 0; n < 5; n += 1) asked.push(await shop.ask())
  expect(asked.map(({ statusCode }) => statusCode)).toEqual(Array(5).fill(202))
  expect((await shop.ask()).statusCode).toBe(429)
  await shop.remove(asked[0]?.json<{ id: string }>().id ?? '')
  expect((await shop.ask()).statusCode).toBe(429)
  await shop.pool.query(
    `update orderwheel.reports set deleted_at = now() - interval '2 hours' where deleted_at is not null`,
  )
  // Neither while its message waits, nor while its job does.
  await upkeep()
  await shop.relay()
  await upkeep()
  expect((await shop.ask()).statusCode).toBe(429)
  await shop.workOff()
  for (let n = 0; n < 5; n += 1) expect((await shop.ask()).statusCode).toBe(202)
})

test('a download of a report that is deleted meanwhile breaks off, and never looks whole', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  // 20 MiB: more than sockets hold.
  await shop.grow(id, 80)
  const url = await shop.app.listen({ host: '127.0.0.1', port: 0 })
  const headers = { authorization: `Bearer ${shop.key}` }
  const request = get(`${url}/reports/${id}/file`, { headers, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  expect(response.headers['content-length']).toBe(String(80 * 262_144))
  expect((await shop.remove(id)).statusCode).toBe(204)
  let bytes = 0
  const reading = async () => {
    for await (const chunk of response) bytes += (chunk as Buffer).length
  }
  await expect(reading()).rejects.toThrow('aborted')
  expect(response.complete).toBe(false)
  expect(bytes).toBeLessThan(80 * 262_144)
  const rest = await fetch(`${url}/reports/${id}/file`, {
    headers: { ...headers, range: `bytes=${bytes}-` },
  })
  expect([rest.status, await rest.json()]).toMatchObject([410, { code: 'report-deleted' }])
})

test('who asks for a file at the moment in which it is deleted hears that, not of an error', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  const holder = await shop.pool.connect()
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    const asked = shop.send(`/reports/${id}/file`)
    await eventually(async () => {
      const { rows } = await shop.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rows.length > 0
    })
    await holder.query(`update orderwheel.reports set deleted_at = now()`)
    await holder.query('delete from orderwheel.report_chunks')
    await holder.query('commit')
    const answer = await asked
    expect([answer.statusCode, answer.json()]).toMatchObject([410, { code: 'report-deleted' }])
    expect(answer.headers['content-disposition']).toBeUndefined()
  } finally {
    holder.release(true)
  }
})

test('a deletion that was cut off is finished an hour later', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  await shop.grow(id, 3)
  const deletedAgo = (interval: string) =>
    shop.pool.query('update orderwheel.reports set deleted_at = now() - $1::interval', [interval])
  await deletedAgo('59 minutes')
  expect(await upkeep()).toBe(0)
  await deletedAgo('61 minutes')
  expect(await upkeep()).toBe(1)
  expect(await shop.pieces()).toBe(0)
  expect(await shop.report(id)).toMatchObject({ state: 'deleted' })
})

test('what was left of making a deleted report, by a worker that died, is deleted once nobody makes it', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  // As a worker leaves it that knew nothing of deleting: begun, and never made.
  await shop.pool.query(
    `update orderwheel.reports
        set made_at = null, expires_at = null, sums = null, digest = null, deleted_at = now() - interval '2 hours'`,
  )
  expect(await upkeep()).toBe(1)
  expect(await shop.pieces()).toBe(0)
  const { rows } = await shop.pool.query(
    'select emptied_at is not null as emptied from orderwheel.reports where id = $1',
    [id],
  )
  expect(rows).toEqual([{ emptied: true }])
})

test.for([
  ['text/plain', '', 415],
  ['application/json', '{', 400],
  ['application/json', '{"a": "\\u0000"}', 422],
  ['application/json', JSON.stringify('a'.repeat(262_144)), 413],
] as const)(
  'a body that nobody asked for (%s, %#) is refused as the description says',
  async (given) => {
    const [type, payload, status] = given
    shop = await openReportingShop()
    const answer = await shop.app.inject({
      method: 'DELETE',
      url: '/reports/019aaaaa-0000-7000-8000-000000000000',
      headers: { authorization: `Bearer ${shop.key}`, 'content-type': type },
      payload,
    })
    expect(answer.statusCode).toBe(status)
    const path = shop.app.swagger().paths?.['/reports/{id}']
    const { code } = answer.json<{ code: string }>()
    expect(JSON.stringify(path?.delete?.responses)).toContain(`\`${code}\``)
  },
)
