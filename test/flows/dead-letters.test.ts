import { afterEach, expect, test } from 'vitest'

import { listLetters } from '#dead-letters/list-letters.ts'
import { readGroups } from '#dead-letters/read-groups.ts'
import { readLetter } from '#dead-letters/read-letter.ts'

import { eventually } from '../support/eventually.ts'
import { httpTarget } from '../support/http-target.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, type TestShop } from '../support/test-shop.ts'
import { freePort, startReceiver } from '../targets/support/start-receiver.ts'

let shop: TestShop | undefined
afterEach(() => shop?.close())

/** So many orders, which an ERP refuses and a stock system that is down never hears of, until both are given up. */
async function giveUpOn(orders: number): Promise<TestShop> {
  let answered = 0
  const erp = await startReceiver((response) => {
    answered += 1
    // What it says differs from order to order; the code does not.
    const refusal = { error: { code: 'UNKNOWN_SKU', message: `sku ${answered} is unknown` } }
    response.writeHead(422, {
      'content-type': 'application/json',
      'x-request-id': `r-${answered}`,
      'set-cookie': 'session=secret',
    })
    response.end(JSON.stringify(refusal))
  })
  const opened = await openTestShop([
    httpTarget('erp', { url: erp.url }),
    httpTarget('stock', {
      url: `http://127.0.0.1:${await freePort()}`,
      retry: { attempts: 1 },
      circuit: false,
    }),
  ])
  shop = opened
  for (let n = 0; n < orders; n += 1) await opened.placeOrder()
  await opened.relay()
  opened.startWorker()
  await eventually(async () => {
    const groups = await readGroups(opened.db, { limit: 10 })
    return groups.reduce((sum, { letters }) => sum + letters, 0) === 2 * orders
  })
  return opened
}

async function run({ connection }: TestShop, ...args: string[]): Promise<string> {
  const command = startOrderwheel(['dead-letters', ...args], {
    DATABASE_URL: connectionString(connection),
  })
  expect(await command.ended, command.output()).toBe(0)
  return command.output()
}

test('every delivery that is given up is a letter of its kind of failure, whatever the answer said in words', async () => {
  const opened = await giveUpOn(5)
  const groups = await readGroups(opened.db, { limit: 10 })
  expect(groups).toMatchObject([
    { letters: 5, firstAt: expect.any(Date) },
    { letters: 5, lastAt: expect.any(Date) },
  ])
  const kinds = groups.map(({ target, status, code }) => `${target} ${status} ${code}`)
  expect(new Set(kinds)).toEqual(new Set(['erp 422 UNKNOWN_SKU', 'stock null ECONNREFUSED']))
  const output = await run(opened, 'groups', '--target', 'erp')
  expect(output).toMatch(/^erp 422 UNKNOWN_SKU, 5 orders since \d\d:\d\dZ\n/)
})

test('a letter tells an operator what to ask the target’s people about, and no secret', async () => {
  const opened = await giveUpOn(1)
  const page = await listLetters(opened.db, { filter: { target: 'erp' }, state: 'open', limit: 1 })
  const id = page?.letters[0]?.id ?? ''
  const letter = await readLetter(opened.db, id)
  expect(letter?.attempts[0]?.answer).toEqual({
    status: 422,
    text: '{"error":{"code":"UNKNOWN_SKU","message":"sku 1 is unknown"}}',
    headers: { 'content-type': 'application/json', 'x-request-id': 'r-1' },
    code: 'UNKNOWN_SKU',
  })
  const shown = await run(opened, 'show', id)
  expect(shown).toContain('422 UNKNOWN_SKU')
  expect(shown).toContain('x-request-id: r-1')
  expect(shown).not.toContain('secret')
})
