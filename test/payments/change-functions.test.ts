import { expect, onTestFinished, test } from 'vitest'

import { approved } from '#targets/payment/charge-result.ts'
import { customPayment } from '#targets/payment/custom-payment.ts'

import { exampleCall } from '../targets/support/example-call.ts'
import { createPayment } from './start-paying-shop.ts'

/** What the target `payment` of a custom gateway makes of it when its function returns this. */
async function makeOf(change: 'capture' | 'void' | 'refund', returned: unknown) {
  const says = async () => returned as never
  const config = createPayment(
    customPayment(async () => approved('ch_1'), {
      mode: 'authorise',
      capture: says,
      void: says,
      refund: says,
    }),
  )
  onTestFinished(() => config.payment.close())
  const target = config.targets.find(({ name }) => name === 'payment')
  const call = exampleCall()
  const mode = 'authorise'
  const status = change === 'refund' ? 'captured' : 'authorized'
  call.order.payment = { status, provider: 'gateway', reference: 'ch_1', mode } as never
  call.message.kind = change === 'capture' ? 'order.placed' : 'order.cancelled'
  return target?.call(call)
}

const changes = ['capture', 'void', 'refund'] as const

test.each(changes)(
  'a %s function that returns nothing is a mistake that is named',
  async (change) => {
    for (const nothing of [undefined, null, 'done', 42, {}, []])
      expect(await makeOf(change, nothing)).toMatchObject({
        kind: 'give-up',
        mayBeTold: true,
        reason: expect.stringContaining(`correct payment.${change}`),
      })
  },
)

test.each(changes)('what a %s function says it came to counts', async (change) => {
  expect(await makeOf(change, { kind: 'give-up', reason: 'closed', mayBeTold: true })).toEqual({
    kind: 'give-up',
    reason: 'closed',
  })
  expect(await makeOf(change, { kind: 'delivered' })).toMatchObject({
    kind: 'delivered',
    answer: { value: { did: change, reference: 'ch_1' } },
  })
})
