import { userInfo } from 'node:os'

import { afterEach, expect, test } from 'vitest'

import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'

let shop: ReportingShop
afterEach(() => shop.close())

async function say(...words: string[]): Promise<[code: unknown, output: string]> {
  const command = startOrderwheel(['reports', ...words], {
    DATABASE_URL: connectionString(shop.connection),
  })
  return [await command.ended, command.output()]
}

async function list(...options: string[]): Promise<string> {
  const [code, output] = await say(...options)
  expect(code, output).toBe(0)
  return output
}

test('an operator sees which reports there are, and where to look at one that failed', async () => {
  shop = await openReportingShop({ retry: { attempts: 1, delaySeconds: 1, maxDelaySeconds: 1 } })
  expect(await list()).toBe('No reports yet: POST /reports asks for one.\n')
  const made = await shop.make()
  await shop.pool.query(
    `alter table orderwheel.report_chunks add constraint broken check (number < 0) not valid`,
  )
  const failed = await shop.make({ format: 'pdf' })
  const [head, first, second, , hint] = (await list()).split('\n')
  expect(head).toMatch(/^id +format +from +to +state +orders +bytes +by +at +expires$/)
  expect(first).toMatch(new RegExp(`^${failed}  pdf .* failed .* books `))
  expect(second).toMatch(new RegExp(`^${made}  csv .* ready .* books .*Z$`))
  expect(hint).toBe(`What became of one that failed: orderwheel message ${failed}`)
  expect(JSON.parse(await list('--json'))).toMatchObject([
    { id: failed, state: 'failed', reason: expect.stringMatching('broken') as string },
    { id: made, state: 'ready', orders: 0 },
  ])
})

test('an operator deletes a report; twice is fine, what is none is said, and the audit log has it once', async () => {
  shop = await openReportingShop()
  const id = await shop.make()
  expect(await say('delete', id, '--reason', 'asked for by mistake')).toEqual([
    0,
    `Report ${id} is deleted.\n`,
  ])
  expect(await say('delete', id)).toEqual([0, `Report ${id} was deleted before.\n`])
  expect(await say('delete', id, '--json')).toEqual([0, expect.stringContaining('"before"')])
  expect(await say('delete', 'october')).toEqual([
    1,
    'There is no report october: orderwheel reports lists them.\n',
  ])
  expect((await say('delete'))[0]).toBe(2)
  expect(await shop.pieces()).toBe(0)
  expect(JSON.parse(await list('list', '--json'))).toMatchObject([{ id, state: 'deleted' }])
  const { rows } = await shop.pool.query(
    `select who, reason from orderwheel.audit_log where action = 'report.deleted'`,
  )
  expect(rows).toEqual([{ who: userInfo().username, reason: 'asked for by mistake' }])
})
