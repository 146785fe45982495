import { expect, test } from 'vitest'

import { findCutShort } from '#deliveries/stop-deadline.ts'

import { testTarget } from '../support/test-shop.ts'

test('calls that end before a worker has to stop are not worth a word', () => {
  expect(findCutShort([testTarget('erp', { timeoutSeconds: 8 })], 10)).toEqual([])
})

test('calls that may take longer: which, what becomes of them, and what to set', () => {
  const targets = [
    testTarget('erp', { timeoutSeconds: 480 }),
    testTarget('stock', { timeoutSeconds: 8.5 }),
    testTarget('letters', { timeoutSeconds: 60, idempotent: false }),
    testTarget('analytics', { timeoutSeconds: 1 }),
  ]

  expect(findCutShort(targets, 10)).toEqual([
    {
      targets: ['erp', 'stock'],
      severe: false,
      reason:
        'when the worker stops, calls of erp (up to 480 s), stock (up to 8.5 s) get 8 s; those cut short are made again with the same Idempotency-Key. To let them end, set ORDERWHEEL_STOP_SECONDS to 482, and let the platform kill 4 s later or more',
    },
    {
      targets: ['letters'],
      severe: true,
      reason: expect.stringMatching(
        /letters \(up to 60 s\) get 8 s; those cut short leave deliveries uncertain, .* ORDERWHEEL_STOP_SECONDS to 62,/,
      ),
    },
  ])
})
