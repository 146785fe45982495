import { afterEach, expect, test } from 'vitest'

import { openReportingShop, type ReportingShop } from '../support/reporting-shop.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'

let shop: ReportingShop
afterEach(() => shop.close())

async function list(...options: string[]): Promise<string> {
  const command = startOrderwheel(['reports', ...options], {
    DATABASE_URL: connectionString(shop.connection),
  })
  expect(await command.ended, command.output()).toBe(0)
  return command.output()
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
