import { expect, test } from 'vitest'

import { uncertain } from '#targets/outcome.ts'
import type { ChargeResult } from '#targets/payment/charge-result.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'

import {
  letPaymentsBeDue,
  outboxOf,
  pay,
  paymentOf,
  startPayingShop,
} from '../payments/start-paying-shop.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'

test('a person sees which payments are not known, and says of each what the gateway’s console shows', async () => {
  const shop = await startPayingShop(
    customPayment(async () => uncertain('answered 500 \u001b[2J') as ChargeResult),
  )
  const ids: string[] = []
  for (const externalId of ['WEB-1', 'WEB-2'])
    ids.push(((await pay(shop, 'tok_x', { externalId })).body as { id: string }).id)
  await letPaymentsBeDue(shop)
  const run = async (...args: string[]) => {
    const process = startOrderwheel(['payments', ...args], {
      DATABASE_URL: connectionString(shop.connection),
    })
    return { code: await process.ended, output: process.output() }
  }
  const listed = await run()
  expect(listed.code).toBe(0)
  expect(listed.output).toMatch(/^WEB-1 .* 1 .*answered 500/m)
  expect(listed.output).not.toContain('\u001b')
  expect(listed.output).not.toContain('tok_x')

  expect((await run('settle', 'WEB-1')).code).toBe(2)
  expect((await run('settle', 'WEB-1', '--not-charged')).code).toBe(2)
  expect(await run('settle', 'WEB-1', '--charged', 'ch_77')).toEqual({
    code: 0,
    output: 'Order WEB-1 is captured now.\n',
  })
  expect(await paymentOf(shop, ids[0] ?? '')).toMatchObject({
    state: 'captured',
    reference: 'ch_77',
  })
  expect(await outboxOf(shop)).toEqual(['order.placed'])
  expect(await run('settle', 'WEB-1', '--charged', 'ch_78')).toEqual({
    code: 1,
    output: 'Order WEB-1: it is known already: captured.\n',
  })
  const declined = await run('settle', 'WEB-2', '--not-charged', '--reason', 'no charge there')
  expect(declined.code).toBe(0)
  expect(await paymentOf(shop, ids[1] ?? '')).toMatchObject({ state: 'declined', token: null })
  expect((await run('list')).output).toBe('Of every order it is known whether it was charged.\n')
})
