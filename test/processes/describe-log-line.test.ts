import { expect, test } from 'vitest'

import { describeLogLine } from '#processes/describe-log-line.ts'

const orderId = '01a2083d-0000-7000-8000-000000000001'
const messageId = '01a2083d-0000-7000-8000-000000000002'
const line = { process: 'worker', target: 'analytics', attempt: 1, durationMs: 1_234 }

test('a line about a delivery says which order it is about, and of a message about none, which message', () => {
  expect(describeLogLine({ ...line, orderId, messageId }, 'delivered')).toBe(
    `worker: analytics delivered at attempt 1 after 1.2 s order ${orderId}`,
  )
  expect(describeLogLine({ ...line, orderId: messageId, messageId }, 'delivered')).toBe(
    `worker: analytics delivered at attempt 1 after 1.2 s message ${messageId}`,
  )
  expect(describeLogLine({ process: 'api', orderId }, 'order taken')).toBe(
    `api: order taken order ${orderId}`,
  )
})
