import { expect, test } from 'vitest'

import { orderAnswer } from '#http/orders/order-answers.ts'
import { exampleOrder } from '#messages/example-order.ts'

test('the storefront sees what a target answered, without the headers that are for operators', () => {
  const id = '0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'
  const answer = { status: 422, text: 'no', code: 'NO', headers: { server: 'ERP/1.0' } }
  const attempt = {
    number: 1,
    startedAt: '',
    durationMs: 1,
    outcome: 'give-up',
    reason: 'no',
  } as const
  const shown = orderAnswer(
    {
      id,
      externalId: 'WEB-1',
      state: 'needs-attention',
      isForgotten: false,
      receivedAt: '',
      order: exampleOrder('WEB-1'),
      messages: [],
      payment: null,
      deliveries: [
        {
          target: 'erp',
          message: { id, kind: 'order.placed' },
          state: 'dead',
          attemptCount: 2,
          attempts: [
            { ...attempt, answer },
            { ...attempt, answer: null },
          ],
          nextAttemptAt: null,
          lastError: 'no',
          deliveredAt: null,
          deadLetterId: id,
          waitsFor: [],
        },
      ],
    },
    undefined,
  )
  expect(JSON.parse(JSON.stringify(shown)).deliveries[0].attempts).toMatchObject([
    { answer: { status: 422, text: 'no', code: 'NO' } },
    { answer: null },
  ])
  expect(JSON.stringify(shown)).not.toContain('ERP/1.0')
})
