import { afterEach, expect, test } from 'vitest'

import { giveUp } from '#targets/outcome.ts'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
afterEach(() => shop.close())

async function message(...args: string[]) {
  const command = startOrderwheel(['message', ...args], {
    DATABASE_URL: connectionString(shop.connection),
  })
  return { code: await command.ended, output: command.output() }
}

test('orderwheel message tells what became of one message, and takes a decision about it', async () => {
  shop = await openTestShop([
    testTarget('erp', { call: async () => giveUp('unknown article') }),
    testTarget('mail'),
  ])
  const { messageId } = await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(30_000))
  await worker.stop()

  const { code, output } = await message(messageId)
  expect(code).toBe(0)
  expect(output).toMatch(/^Message order\.placed \(\S+\): /)
  expect(output).toMatch(/About order WEB-\S+; what else happened to it: orderwheel order WEB-/)
  expect(output).toMatch(/^erp +dead$/m)
  expect(output).toMatch(/^mail +delivered$/m)
  expect(JSON.parse((await message(messageId, '--json')).output)).toMatchObject({ id: messageId })

  const skipped = await message(
    messageId,
    '--skip',
    '--target',
    'erp',
    '--reason',
    'sold elsewhere',
  )
  expect(skipped).toMatchObject({ code: 0 })
  expect((await message(messageId)).output).toMatch(/^erp +skipped$/m)
  expect(await message('no-id')).toMatchObject({
    code: 1,
    output: expect.stringContaining('There is no message with the id "no-id".'),
  })
})

test('of a message that the relay refused it is said once why, and what to do', async () => {
  shop = await openTestShop([testTarget('erp')])
  const { rows } = await shop.pool.query<{ id: string }>(
    `insert into orderwheel.outbox (id, kind, payload) values (uuidv7(), 'stock.counted', '{}') returning id`,
  )
  const id = rows[0]?.id ?? ''
  await shop.relay()

  const { code, output } = await message(id)

  expect(code).toBe(0)
  expect(output).toContain('not relayed: unknown kind stock.counted. Declare it in messages')
  expect(output).toMatch(/^Mend the configuration or deploy the version that knows the kind: /m)
  expect(output).toContain(`delete from orderwheel.outbox where id = '${id}';`)
})
