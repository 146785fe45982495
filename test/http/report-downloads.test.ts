import { once } from 'node:events'
import { type ClientRequest, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'

import { afterEach, expect, test } from 'vitest'

import type { HttpLimits } from '#http/limits.ts'

import { eventually } from '../support/eventually.ts'
import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'

let shop: ReportingShop
let url: string
let file: string
let books: string
let tax: string
afterEach(async () => {
  for (const request of asked.splice(0)) request.destroy()
  await shop.close()
})

/** With two keys, and a file of 20 MiB: more than sockets hold. */
async function openShop(limits: Partial<HttpLimits> = {}) {
  shop = await openReportingShop({}, { limits: { maxDownloads: 6, ...limits } })
  books = shop.key
  tax = await shop.newKey('tax')
  const id = await shop.make()
  await shop.grow(id, 80)
  url = await shop.app.listen({ host: '127.0.0.1', port: 0 })
  file = `/reports/${id}/file`
}
const asked: ClientRequest[] = []

test('a process sends so many files at a time, half of them to one key; who comes on top hears when to come back, and has a place when one is free', async () => {
  await openShop()
  const readers = [await download(), await download(), await download()]
  const ofKey = await download()
  expect(JSON.parse(await textOf(ofKey))).toMatchObject({
    code: 'too-many-downloads',
    detail: expect.stringMatching('this key') as string,
  })
  for (let n = 0; n < 3; n += 1) expect((await download(tax)).statusCode).toBe(200)
  const refused = await download(await shop.newKey('audit'))
  expect(refused.statusCode).toBe(503)
  expect(refused.headers['retry-after']).toBe('10')
  expect(refused.headers['content-disposition']).toBeUndefined()
  expect(JSON.parse(await textOf(refused))).toMatchObject({
    code: 'too-many-downloads',
    detail: expect.not.stringMatching('this key') as string,
  })
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
  await openShop()
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
  await openShop()
  const holder = await shop.pool.connect()
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    for (let n = 0; n < 3; n += 1) void ask()
    await eventually(async () => (await reading()).length >= 2)
    // The third has come as far as it comes.
    await eventually(async () => (await download()).statusCode === 503)
    expect(await reading()).toHaveLength(2)
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  await eventually(async () => (await download()).statusCode === 503)
})

test('a key that asks and hangs up, again and again, breaks no download of another key', async () => {
  await openShop({ maxDownloads: 3 })
  const begun = once(shop.app.server, 'request')
  const reader = await download(tax)
  const [, sent] = (await begun) as [unknown, ServerResponse]
  // Sockets are full, and nothing more is read for it.
  await eventually(lasting(() => sent.writableNeedDrain))
  const holder = await shop.pool.connect()
  let text: Promise<string>
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    for (let n = 0; n < 6; n += 1) await askAndHangUp()
    let bytes = 0
    reader.on('data', (chunk: Buffer) => (bytes += chunk.length))
    text = textOf(reader)
    text.catch(() => {})
    // It has all that was read for it, and asks for more.
    let before = 0
    await eventually(
      lasting(() => {
        const isStill = bytes === before
        before = bytes
        return isStill
      }),
    )
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  expect(await text).toHaveLength(80 * 262_144)
  await eventually(async () => (await download()).statusCode === 200)
})

test('who asks and hangs up keeps the place until what was asked for is read, so that no more reads wait than there are places', async () => {
  await openShop()
  const holder = await shop.pool.connect()
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    await eventually(askAndHangUpUnlessRefused)
    expect(await reading()).toHaveLength(2)
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  await eventually(async () => (await download()).statusCode === 200)
})

test('a piece that cannot be read ends the download that it is of, and no other', async () => {
  await openShop()
  const holder = await shop.pool.connect()
  const answers: Promise<IncomingMessage>[] = []
  try {
    await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
    for (let n = 0; n < 3; n += 1) {
      const heard = once(shop.app.server, 'request')
      answers.push(download())
      await heard
    }
    // Comes behind them, so that they have come as far as they come.
    await shop.send(file, { headers: { 'if-none-match': '*' } })
    await eventually(async () => (await reading()).length === 2)
    const [first = 0] = await reading()
    await shop.pool.query('select pg_cancel_backend($1)', [first])
    // Now the third is read.
    const failed = await Promise.race(answers)
    expect(JSON.parse(await textOf(failed))).toMatchObject({ code: 'database-unavailable' })
    await eventually(async () => (await reading()).length === 2)
    await holder.query('commit')
  } finally {
    holder.release(true)
  }
  const statuses = (await Promise.all(answers)).map(({ statusCode }) => statusCode)
  expect(statuses.filter((status) => status === 200)).toHaveLength(2)
})

test('a connection that asks for one file after the other, and takes none, leaves others their places, and its own when it closes', async () => {
  await openShop()
  const socket = connect(Number(new URL(url).port), '127.0.0.1').pause()
  socket.on('error', () => {})
  socket.write(requestOf(books).repeat(12))
  await eventually(async () => (await download()).statusCode === 503)
  for (let n = 0; n < 3; n += 1) expect((await download(tax)).statusCode).toBe(200)
  socket.destroy()
  const readers: IncomingMessage[] = []
  await eventually(async () => {
    readers.push(await download())
    return readers.filter(({ statusCode }) => statusCode === 200).length === 3
  })
})

test('who takes nothing of a file loses the connection, and the place, whatever it sends meanwhile', async () => {
  await openShop({ maxDownloads: 2, downloadPatienceSeconds: 0.5 })
  const socket = connect(Number(new URL(url).port), '127.0.0.1').pause()
  socket.on('error', () => {})
  socket.write(requestOf(books))
  const talking = setInterval(() => socket.write('\r\n'), 100)
  await eventually(() => socket.closed).finally(() => clearInterval(talking))
  const next = await download()
  expect(next.statusCode).toBe(200)
})

test('who takes a file bit by bit gets all of it, however long that lasts, also when the database rests meanwhile', async () => {
  await openShop({ downloadPatienceSeconds: 0.5 })
  const reader = await download()
  let bytes = 0
  const holder = await shop.pool.connect()
  try {
    for await (const chunk of reader) {
      if (bytes === 0) {
        await holder.query('begin; lock table orderwheel.report_chunks in access exclusive mode')
        void holder.query('select pg_sleep(1.2); commit')
      }
      bytes += (chunk as Buffer).length
      // The reader's own slowness: two seconds in all.
      await shop.pool.query('select pg_sleep(0.006)')
    }
  } finally {
    holder.release(true)
  }
  expect(bytes).toBe(80 * 262_144)
})

/** Whether something was so each of the last twenty times that it was asked. */
function lasting(probe: () => boolean): () => boolean {
  let times = 0
  return () => {
    times = probe() ? times + 1 : 0
    return times >= 20
  }
}

/** The processes of PostgreSQL that wait to read a piece. */
async function reading(): Promise<number[]> {
  const { rows } = await shop.pool.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' order by query_start`,
  )
  return rows.map(({ pid }) => pid)
}

/** Resolves when it is known here that nobody waits for the file any more. */
async function askAndHangUp(): Promise<void> {
  const heard = once(shop.app.server, 'request')
  const request = ask()
  const [, response] = (await heard) as [unknown, ServerResponse]
  const closed = once(response, 'close')
  // Comes behind it, so that it has come as far as it comes.
  await shop.send(file, { headers: { 'if-none-match': '*' } })
  request.destroy()
  await closed
}

/** Who is not refused soon hangs up, perhaps before there was a place to take. */
async function askAndHangUpUnlessRefused(): Promise<boolean> {
  const request = ask()
  const answered = once(request, 'response').then(
    ([response]) => (response as IncomingMessage).statusCode,
    () => undefined,
  )
  const late = shop.send(file, { headers: { 'if-none-match': '*' } }).then(() => undefined)
  const status = await Promise.race([answered, late])
  request.destroy()
  return status === 503
}

function requestOf(key: string): string {
  return `GET ${file} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer ${key}\r\n\r\n`
}

function ask(key = books) {
  const headers = { authorization: `Bearer ${key}` }
  const request = get(`${url}${file}`, { headers, agent: false })
  request.on('error', () => {})
  asked.push(request)
  return request
}

/** Takes nothing of it yet. */
async function download(key = books): Promise<IncomingMessage> {
  const [response] = (await once(ask(key), 'response')) as [IncomingMessage]
  return response
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
