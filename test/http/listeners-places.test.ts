import { once } from 'node:events'
import { connect } from 'node:net'

import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'

import { eventually } from '../support/eventually.ts'
import { listenToEvents } from '../support/listen-to-events.ts'
import { newOrder, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
beforeEach(async () => {
  api = await startTestApi({
    limits: { maxListeners: 4, maxBuyers: 3, maxListenersPerOrder: 2 },
  })
})
afterEach(() => api.close())

const full = { status: 503, problem: { code: 'too-many-listeners' } }

test('who leaves before they are told anything takes no place, with a link or with a key', async () => {
  const { link, events } = await place()
  for (const request of [get(`${link}/events`), get(events, api.key)]) {
    for (let n = 0; n < 8; n += 1) await askAndLeave(request)
  }
  expect(await listenUntilTaken(link)).toMatchObject({ status: 200 })
  expect(await listenUntilTaken(events, api.key)).toMatchObject({ status: 200 })
})

test('who leaves while the database lets them wait takes no place', async () => {
  const { link } = await place()
  const client = await api.pool.connect()
  await client.query('begin; lock table orderwheel.orders in access exclusive mode')
  for (let n = 0; n < 2; n += 1) await askAndLeave(get(`${link}/events`))
  await client.query('commit')
  client.release()
  expect(await listenUntilTaken(link)).toMatchObject({ status: 200 })
})

test('one connection that asks for many streams gives all of them back when it is closed', async () => {
  const { link } = await place()
  const request = get(`${link}/events`)
  const asked = connect(api.port, '127.0.0.1')
  asked.write(request + request)
  await once(asked, 'data')
  expect(await listen(link)).toMatchObject(full)
  asked.destroy()
  for (let n = 0; n < 2; n += 1) expect(await listenUntilTaken(link)).toMatchObject({ status: 200 })
})

test('buyers shut out no storefront, neither of their order nor of any other', async () => {
  const [one, other] = [await place(), await place()]
  for (const { link } of [one, one, other])
    expect(await listen(link)).toMatchObject({ status: 200 })
  expect(await listen(one.link)).toMatchObject(full)
  expect(await listen(other.link)).toMatchObject(full)
  expect(await listen(one.events, api.key)).toMatchObject({ status: 200 })
  expect(await listen(one.events, api.key)).toMatchObject(full)
})

async function place() {
  const { body } = await api.post(newOrder())
  const { id, links } = body as { id: string; links: { status: string } }
  return { link: links.status, events: `/orders/${id}` }
}

function get(path: string, key?: string): string {
  const url = path.endsWith('/events') ? path : `${path}/events`
  const authorization = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`
  return `GET ${url} HTTP/1.1\r\nHost: shop\r\n${authorization}\r\n`
}

/** Leaves as soon as the server has heard the request. */
async function askAndLeave(request: string): Promise<void> {
  const heard = once(api.app.server, 'request')
  const socket = connect(api.port, '127.0.0.1')
  socket.write(request)
  await heard
  socket.destroy()
}

function listenUntilTaken(path: string, key?: string) {
  return eventually(async () => {
    const listener = await listen(path, key)
    return listener.status === 200 && listener
  })
}

async function listen(path: string, key?: string) {
  const listener = await listenToEvents(
    `${api.url}${path}/events`,
    key === undefined ? {} : { authorization: `Bearer ${key}` },
  )
  onTestFinished(() => listener.leave())
  return listener
}
