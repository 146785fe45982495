import { once } from 'node:events'
import { type ClientRequest, get, type IncomingMessage } from 'node:http'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { eventually } from '../support/eventually.ts'
import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'

let shop: ReportingShop
let url: string
let file: string
beforeEach(async () => {
  shop = await openReportingShop({}, { limits: { maxDownloads: 3 } })
  const id = await shop.make()
  // 20 MiB: more than sockets hold.
  await shop.grow(id, 80)
  url = await shop.app.listen({ host: '127.0.0.1', port: 0 })
  file = `/reports/${id}/file`
})
const asked: ClientRequest[] = []
afterEach(async () => {
  for (const request of asked.splice(0)) request.destroy()
  await shop.close()
})

test('a process sends so many files at a time; who comes on top hears when to come back, and has a place when one is free', async () => {
  const readers = [await download(), await download(), await download()]
  const refused = await download()
  expect(refused.statusCode).toBe(503)
  expect(refused.headers['retry-after']).toBe('10')
  expect(refused.headers['content-disposition']).toBeUndefined()
  expect(JSON.parse(await textOf(refused))).toMatchObject({ code: 'too-many-downloads' })
  // What needs no piece of it needs no place.
  expect((await shop.send(file, { method: 'HEAD' })).statusCode).toBe(200)
  const headers = { 'if-none-match': '*' }
  expect((await shop.send(file, { headers })).statusCode).toBe(304)

  readers[0]?.destroy()
  await eventually(async () => {
    const next = await download()
    return next.statusCode === 200
  })
  expect((await download()).statusCode).toBe(503)
  const [, second] = readers
  expect(second && (await textOf(second)).length).toBe(80 * 262_144)
  await eventually(async () => (await download()).statusCode === 200)
})

test('a download that is refused, or whose client leaves before it has begun, keeps no place', async () => {
  for (let n = 0; n < 5; n += 1) {
    const headers = { range: `bytes=${81 * 262_144}-` }
    expect((await shop.send(file, { headers })).statusCode).toBe(416)
  }
  const holder = await shop.pool.connect()
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    for (let n = 0; n < 3; n += 1) {
      const heard = once(shop.app.server, 'request')
      const request = ask()
      await heard
      request.destroy()
    }
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  const readers: IncomingMessage[] = []
  await eventually(async () => {
    readers.push(await download())
    return readers.filter(({ statusCode }) => statusCode === 200).length === 3
  })
})

test('however many download, two connections to the database read for them, and nobody else waits', async () => {
  const holder = await shop.pool.connect()
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    for (let n = 0; n < 3; n += 1) void ask()
    const reading = async () => {
      const { rows } = await shop.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rows.length
    }
    await eventually(async () => (await reading()) >= 2)
    // The third has come as far as it comes.
    await eventually(async () => (await download()).statusCode === 503)
    expect(await reading()).toBe(2)
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  await eventually(async () => (await download()).statusCode === 503)
})

function ask() {
  const headers = { authorization: `Bearer ${shop.key}` }
  const request = get(`${url}${file}`, { headers, agent: false })
  request.on('error', () => {})
  asked.push(request)
  return request
}

/** Takes nothing of it yet. */
async function download(): Promise<IncomingMessage> {
  const request = ask()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
