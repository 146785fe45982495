import { expect, test } from 'vitest'

import { watchShop } from '#alerts/watch-shop.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'

import { pay, startPayingShop } from '../payments/start-paying-shop.ts'

test('payments that are not known for long raise one alert, which is over when they are', async () => {
  const shop = await startPayingShop(
    customPayment(async () => {
      throw new Error('the line is dead')
    }),
  )
  const openAlerts = async () => {
    await watchShop(shop.db)
    const rows = await shop.db
      .selectFrom('orderwheel.alerts')
      .select('text')
      .where('kind', '=', 'payments')
      .where('resolved_at', 'is', null)
      .execute()
    return rows.map(({ text }) => text)
  }
  await pay(shop, 'tok_1')
  await pay(shop, 'tok_2')
  expect(await openAlerts()).toEqual([])
  await shop.db
    .updateTable('orderwheel.payments')
    .set({ begun_at: new Date(0) })
    .execute()
  expect(await openAlerts()).toEqual([expect.stringContaining('2 orders were charged')])
  await shop.db.deleteFrom('orderwheel.payments').execute()
  expect(await openAlerts()).toEqual([])
})
