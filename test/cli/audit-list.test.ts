import { afterEach, beforeEach, expect, test } from 'vitest'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  await database.pool.query(
    `insert into orderwheel.audit_log (at, who, action, subject, reason)
     values ('2026-11-01T10:00:00Z', 'eva', 'target.paused', 'erp', E'upgrade\\u001b[2J'),
            ('2026-11-02T10:00:00Z', 'bob', 'target.resumed', 'erp', null)`,
  )
})
afterEach(() => database.close())

async function list(...args: string[]) {
  const command = startOrderwheel(['audit', 'list', ...args], {
    DATABASE_URL: connectionString(database.connection),
  })
  return { code: await command.ended, output: command.output() }
}

test('what people did is listed, the newest first, page by page and without what a terminal obeys', async () => {
  const { code, output } = await list('--limit', '1')
  expect(code).toBe(0)
  expect(output).toMatch(/bob +target\.resumed +erp/)
  expect(output).not.toContain('eva')
  const next = /--after (\S+)/.exec(output)?.[1] ?? ''
  const rest = await list('--after', next)
  expect(rest.output).toMatch(/eva +target\.paused +erp +upgrade/)
  expect(rest.output).not.toContain('\u001b')
  const wrong = await list('--after', 'nowhere')
  expect(wrong).toMatchObject({ code: 2, output: expect.stringContaining('none of the places') })
})

test('what people did is found by who, action and time', async () => {
  const json = await list('--who', 'eva', '--action', 'target', '--json')
  expect(JSON.parse(json.output)).toMatchObject({ records: [{ who: 'eva' }], next: null })
  const none = await list('--since', '2026-11-03T00:00:00Z')
  expect(none).toMatchObject({ code: 0, output: 'Nobody did such a thing.\n' })
  expect((await list('--since', 'yesterday')).code).toBe(2)
})
