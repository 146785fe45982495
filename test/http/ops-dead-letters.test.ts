import { afterAll, beforeAll, expect, test } from 'vitest'

import { buryMany } from '../support/bury-many.ts'
import { send, startTestApi, type TestApi } from './test-api.ts'

let api: TestApi
let reader: string
let writer: string
beforeAll(async () => {
  api = await startTestApi()
  reader = await api.newKey({ scopes: ['ops:read'] })
  writer = await api.newKey({ name: 'console', scopes: ['ops:read', 'ops:write'] })
  await buryMany(api.pool, { count: 1_000, closedShare: 0.1 })
}, 120_000)
afterAll(() => api.close())

const get = (path: string, key = reader) => api.get(path, { authorization: `Bearer ${key}` })

const post = (path: string, body: unknown, key = writer) =>
  send(`${api.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

type Page = { letters: { id: string; groupId: string; orderId: string }[]; next: string | null }

test('dead letters are listed page by page, and each is read with every attempt', async () => {
  const first = (await get('/ops/dead-letters?limit=2')).body as Page
  expect(first.letters).toHaveLength(2)
  const second = (await get(`/ops/dead-letters?limit=2&after=${first.next}`)).body as Page
  const ids = [...first.letters, ...second.letters].map(({ id }) => id)
  expect(new Set(ids).size).toBe(4)
  const one = await get(`/ops/dead-letters/${ids[0]}`)
  expect(one.status).toBe(200)
  expect(one.body).toMatchObject({
    id: ids[0],
    attempts: [{ number: 1, outcome: 'give-up', answer: { status: 422 } }],
    delivery: { state: 'dead' },
  })
})

test('who may only look is told that a request was edited, not what it says', async () => {
  const [letter] = ((await get('/ops/dead-letters?limit=1')).body as Page).letters
  await api.pool.query(
    `update orderwheel.deliveries set edited = '{"to": "Ada Lovelace"}' where order_id = $1`,
    [letter?.orderId],
  )
  const { body } = await get(`/ops/dead-letters/${letter?.id}`)
  expect(body).toMatchObject({ delivery: { state: 'dead', isEdited: true, isEditDue: false } })
  expect(JSON.stringify(body)).not.toContain('Lovelace')
  expect((await get(`/ops/dead-letters/${letter?.id}/request`)).status).toBe(403)
})

test('dead letters are narrowed by group, order and the rest', async () => {
  const [letter] = ((await get('/ops/dead-letters?limit=1')).body as Page).letters
  const ofGroup = (await get(`/ops/dead-letters?groupId=${letter?.groupId}`)).body as Page
  expect(new Set(ofGroup.letters.map(({ groupId }) => groupId))).toEqual(new Set([letter?.groupId]))
  expect((await get(`/ops/dead-letters?orderId=${letter?.orderId}`)).body).toMatchObject({
    letters: [{ id: letter?.id }],
  })
  const none = '/ops/dead-letters?target=erp&state=closed&error=nothing&until=2020-01-01T00:00:00Z'
  expect((await get(none)).body).toEqual({ letters: [], next: null })
})

test('a misspelt target never reads as if nothing were dead', async () => {
  await api.pool.query(
    `insert into orderwheel.targets (name, kind, concurrency) values ('erp', 'http', 1), ('rare', 'http', 1)`,
  )
  const detail = 'There is no target "nope"; there are erp, rare.'
  for (const path of ['/ops/dead-letters', '/ops/dead-letters/groups'])
    expect(await get(`${path}?target=nope`)).toMatchObject({
      status: 422,
      body: { code: 'invalid-query', errors: [{ parameter: 'target', detail }] },
    })
  for (const action of ['hold', 'release'])
    expect(
      await post(`/ops/dead-letters/${action}`, { target: 'nope', reason: 'lawsuit' }),
    ).toMatchObject({
      status: 422,
      body: { code: 'invalid-body', errors: [{ pointer: '/target', detail }] },
    })
  const near = (await get('/ops/dead-letters?target=epr')).body as { errors: object[] }
  expect(near.errors).toEqual([
    { parameter: 'target', detail: 'There is no target "epr"; did you mean erp?' },
  ])
})

test('groups are counted', async () => {
  const { groups } = (await get('/ops/dead-letters/groups?limit=3')).body as { groups: object[] }
  expect(groups).toHaveLength(3)
  expect(groups[0]).toMatchObject({ status: 422, letters: expect.any(Number) })
})

test.each([
  'limit=0',
  'limit=501',
  'limit=x',
  'state=dead',
  'after=x',
  'groupId=',
  'orderId=x',
  'error=%00',
  'since=yesterday',
  'until=2016-12-31T23:59:60Z',
  'target=%00',
  'unknown=1',
])('a query that makes no sense is refused: %s', async (query) => {
  const answer = await get(`/ops/dead-letters?${query}`)
  expect(answer.status).toBe(422)
  expect(answer.body).toMatchObject({ code: 'invalid-query' })
})

test('there is no letter of an id that is unknown, or none', async () => {
  for (const id of ['0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4', 'x']) {
    const answer = await get(`/ops/dead-letters/${id}`)
    expect(answer.body).toMatchObject({ status: 404, code: 'dead-letter-not-found' })
  }
})

test('a letter is held and released under the name of the key', async () => {
  const [letter] = ((await get('/ops/dead-letters?limit=1')).body as Page).letters
  const path = `/ops/dead-letters/${letter?.id}`
  const held = await post(`${path}/hold`, { reason: 'court' })
  expect(held.body).toMatchObject({ id: letter?.id, held: { by: 'console', reason: 'court' } })
  expect((await post(`${path}/release`, { reason: 'over' })).body).toMatchObject({ held: null })
  const log = await api.db
    .selectFrom('orderwheel.audit_log')
    .select(['who', 'action', 'subject', 'reason'])
    .where('action', 'like', 'dead-letter.%')
    .orderBy('id')
    .execute()
  expect(log).toEqual([
    { who: 'console', action: 'dead-letter.held', subject: letter?.id, reason: 'court' },
    { who: 'console', action: 'dead-letter.released', subject: letter?.id, reason: 'over' },
  ])
})

test('all that are meant are held at once, but never everything by mistake', async () => {
  const held = await post('/ops/dead-letters/hold', { target: 'rare', reason: 'audit' })
  expect(held.body).toEqual({ letters: 100 })
  for (const body of [
    { reason: 'audit' },
    { target: 'rare' },
    { target: 'rare', reason: '\u0000' },
    { target: 'rare', reason: ' ' },
  ]) {
    const answer = await post('/ops/dead-letters/hold', body)
    expect(answer.body).toMatchObject({ status: 422, code: 'invalid-body' })
  }
})

test('who may only look holds nothing, and a storefront sees nothing', async () => {
  expect((await post('/ops/dead-letters/hold', { target: 'x', reason: 'x' }, reader)).status).toBe(
    403,
  )
  expect((await get('/ops/dead-letters', api.key)).status).toBe(403)
})
