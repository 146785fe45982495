import { pino } from 'pino'
import { expect, test } from 'vitest'

import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { decideSettlement } from '#deliveries/decide-settlement.ts'
import { logLost } from '#deliveries/log-lost.ts'
import { settleDeliveries } from '#deliveries/settle-deliveries.ts'
import { delivered } from '#targets/outcome.ts'
import { targetDefaults } from '#targets/target.ts'

import { openTestShop, testTarget } from '../support/test-shop.ts'

test('a worker complains of attempts that came too late, but not of those it has recorded itself', async () => {
  await using stack = new AsyncDisposableStack()
  const shop = await openTestShop([testTarget('erp')])
  stack.defer(() => shop.close())
  const { db, boss } = shop
  const placed = [await shop.placeOrder(), await shop.placeOrder()]
  await shop.relay()
  const claimed = await claimDeliveries({ db, boss }, { queue: 'erp', count: 2 })
  const settlements = claimed.map((delivery) =>
    decideSettlement(targetDefaults, {
      delivery,
      end: { outcome: delivered(), askFirst: false, durationMs: 1 },
      begunAt: performance.now(),
    }),
  )
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(line) })
  const deps = { db, boss, log, worker: 'w' }
  const recorded = settlements.filter(({ delivery }) => delivery.orderId === placed[0]?.orderId)
  await settleDeliveries(deps, 'erp', recorded)

  await logLost(deps, 'erp', recorded)
  expect(lines).toEqual([])

  await logLost(deps, 'erp', settlements)
  await logLost({ ...deps, worker: 'another' }, 'erp', settlements)
  const second = { messageId: placed[1]?.messageId, attempt: 1, outcome: 'delivered' }
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { target: 'erp', lost: 1, attempts: [second] },
    { target: 'erp', lost: 2 },
  ])
})
