import { expect, test } from 'vitest'

import { callTarget, type CallUnderWay } from '#deliveries/call-target.ts'
import type { ClaimedDelivery } from '#deliveries/claim-deliveries.ts'

import { testTarget } from '../support/test-shop.ts'

/** A call that is announced, of a target that would be told: how it ends, and how often the target was called. */
async function callAnnounced(
  announce: (call: () => CallUnderWay) => Promise<boolean>,
  isOurs = () => true,
) {
  let calls = 0
  const target = testTarget('payment', {
    isObsolete: async () => false,
    call: async () => {
      calls += 1
      return { kind: 'delivered' }
    },
  })
  const delivery: ClaimedDelivery = {
    job: { id: 'm1', retryCount: 0 },
    attempt: 1,
    charged: 1,
    afterAbandoned: false,
    lostInARow: 0,
    askFirst: false,
    awaited: false,
    orderId: 'order',
    messageId: 'm1',
    kind: 'order.placed',
    told: {
      document: '{}',
      receivedAt: 0,
      payload: null,
      createdAt: 0,
      edited: null,
      answers: null,
      file: async () => undefined,
      standing: async () => ({
        isCancelled: false,
        untold: [],
        others: [],
        isReplayed: false,
        told: [],
      }),
      announce: async () => announce(() => underWay),
    },
  }
  const underWay = callTarget(target, delivery, isOurs)
  const { outcome, askFirst } = await underWay.end
  return { calls, kind: outcome.kind, askFirst }
}

test('a call that could be announced is made', async () => {
  expect(await callAnnounced(async () => true)).toMatchObject({ calls: 1, kind: 'delivered' })
})

test('what was decided on before its call could be announced is not called', async () => {
  expect(await callAnnounced(async () => false)).toEqual({
    calls: 0,
    kind: 'try-again',
    askFirst: false,
  })
})

test('nor what somebody else has by the time it is announced', async () => {
  let isOurs = true
  const announce = async () => {
    isOurs = false
    return true
  }
  expect(await callAnnounced(announce, () => isOurs)).toMatchObject({ calls: 0, kind: 'try-again' })
})

test('nor what was ended while it was being announced', async () => {
  const announce = async (call: () => CallUnderWay) => {
    call().cut()
    return true
  }
  expect(await callAnnounced(announce)).toMatchObject({ calls: 0, kind: 'handed-back' })
})
