import { expect, test } from 'vitest'

import { describeTargets } from '#config/describe-targets.ts'
import { custom, env, http } from '#config/index.ts'

const url = 'https://erp.example.com/orders'

test('what was left out is shown with its default', () => {
  expect(describe(http({ url }))).toEqual({
    url,
    method: 'POST',
    after: '-',
    timeoutSeconds: '30',
    concurrency: '20',
    rate: 'no limit',
    circuit:
      'failuresInARow 5, failureRate 0.5, minimumCalls 20, windowSeconds 30, probeAfterSeconds 5, maxProbeAfterSeconds 60',
    priority: 'normal',
    droppable: 'no',
    idempotent: 'true',
    withdrawWhenCancelled: 'false',
    keepLettersDays: 'for ever',
    retry: 'attempts 35, delaySeconds 5, maxDelaySeconds 3600',
  })
})

test('what was written is shown in words', () => {
  const target = custom(async () => {}, {
    lookup: async () => false,
    after: ['crm', 'stock'],
    rate: { max: 6_000, perSeconds: 300 },
    circuit: false,
    priority: env('PRIORITY'),
  })
  expect(describe(target, { PRIORITY: 'low' })).toMatchObject({
    tell: 'a function',
    lookup: 'a function',
    after: 'crm, stock',
    rate: 'max 6000, perSeconds 300',
    circuit: 'never opens',
    priority: 'low',
  })
  expect(describe(target)).toMatchObject({ priority: 'PRIORITY is not set' })
})

test('of a circuit that is written in part, the rest is shown, too', () => {
  expect(
    describe(http({ url, circuit: { failuresInARow: 3, probeAfterSeconds: 1 } })),
  ).toMatchObject({
    circuit: expect.stringMatching(/^failuresInARow 3, .*, probeAfterSeconds 1, max/) as string,
  })
})

test.each([
  [{ rate: 'often' }, { rate: 'often' }],
  [{ circuit: 5 }, {}],
  [{ after: 'crm' }, { after: 'crm' }],
  [{ toString: 's3cret' }, { toString: '***' }],
])('a mistake is shown, as %j, so that it can be found', (options, shown) => {
  expect(describe(http({ url, ...options } as never))).toMatchObject({ ...shown, method: 'POST' })
})

function describe(target: unknown, environment: Record<string, string> = {}) {
  return describeTargets({ targets: { erp: target } }, environment)[0]?.options
}
