import { afterAll, beforeAll, expect, test } from 'vitest'

import { startTestApi, type TestApi } from './test-api.ts'

type Page = { records: { subject: string; action: string }[]; next: string | null }

let api: TestApi
let reader: string

beforeAll(async () => {
  api = await startTestApi()
  reader = await api.newKey({ scopes: ['ops:read'] })
  await api.pool.query(`
    delete from orderwheel.audit_log;
    insert into orderwheel.audit_log (at, who, action, subject, reason, details)
    select now() - make_interval(mins => n), case n % 2 when 0 then 'eva' else 'ada' end,
           (array['target.paused', 'target.resumed', 'key.created'])[1 + n % 3], 'subject ' || n, 'because', '{"before": null}'
      from generate_series(1, 6) n`)
})
afterAll(() => api.close())

const get = (query: string, key = reader) =>
  api.get(`/ops/audit?${query}`, { authorization: `Bearer ${key}` })

const find = async (query: string) => (await get(query)).body as Page

const numbersOf = ({ records }: Page) => records.map(({ subject }) => subject.replace(/\D/g, ''))

test('what people did is listed, the newest first, and narrowed by who, what, to what and when', async () => {
  expect((await find('limit=1')).records).toEqual([
    {
      id: expect.any(String),
      at: expect.stringMatching(/Z$/),
      who: 'ada',
      action: 'target.resumed',
      subject: 'subject 1',
      reason: 'because',
      details: { before: null },
    },
  ])
  expect(numbersOf(await find(''))).toEqual(['1', '2', '3', '4', '5', '6'])
  expect(numbersOf(await find('who=eva'))).toEqual(['2', '4', '6'])
  expect(numbersOf(await find('action=target.paused'))).toEqual(['3', '6'])
  expect(numbersOf(await find('action=target'))).toEqual(['1', '3', '4', '6'])
  expect(numbersOf(await find('action=tar'))).toEqual([])
  expect(numbersOf(await find('subject=subject%204&who=eva'))).toEqual(['4'])
  const between = new Date(Date.now() - 210_000).toISOString()
  expect(numbersOf(await find(`since=${between}`))).toEqual(['1', '2', '3'])
  expect(numbersOf(await find(`until=${between}&who=eva`))).toEqual(['4', '6'])
})

test('a page ends where the next begins, also among records of the same moment', async () => {
  await api.pool.query(`
    insert into orderwheel.audit_log (at, who, action, subject)
    select '2020-01-01', 'bob', 'key.created', 'key ' || n from generate_series(1, 5) n`)
  const seen: string[] = []
  let next: string | null = ''
  while (next !== null) {
    const page: Page = await find(`who=bob&limit=2${next && `&after=${next}`}`)
    seen.push(...numbersOf(page))
    next = page.next
  }
  expect(seen.toSorted()).toEqual(['1', '2', '3', '4', '5'])
})

test('who did something long ago is looked for so many records at a time', async () => {
  await api.pool.query(`
    insert into orderwheel.audit_log (at, who, action, subject)
    select '2019-06-01', 'batch', 'dead-letter.discarded', 'letter ' || n from generate_series(1, 50000) n;
    insert into orderwheel.audit_log (at, who, action, subject) values ('2019-01-01', 'zoe', 'key.created', 'key 7')`)
  const first = await find('who=zoe')
  expect(first).toEqual({ records: [], next: expect.any(String) })
  expect(await find(`who=zoe&after=${first.next}`)).toMatchObject({
    records: [{ subject: 'key 7' }],
    next: null,
  })
})

test.each(['limit=0', 'after=x', 'who=', 'who=%00', 'action=%00', 'since=x', 'unknown=1'])(
  'a query that makes no sense is refused: %s',
  async (query) => {
    expect((await get(query)).body).toMatchObject({ status: 422, code: 'invalid-query' })
  },
)

test('text that means something to SQL is only text', async () => {
  for (const text of ["' or true --", '%', '_', 'target.%'])
    expect(numbersOf(await find(`who=${encodeURIComponent(text)}`))).toEqual([])
  expect(numbersOf(await find(`action=${encodeURIComponent('target.%')}`))).toEqual([])
})

test('only keys of operators see who did what', async () => {
  expect((await get('', api.key)).status).toBe(403)
})
