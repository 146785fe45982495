import { randomUUID } from 'node:crypto'

import { Client } from 'undici'

import { exampleOrder } from '#messages/example-order.ts'

import { given, report } from '../support/contender.ts'
import { percentile, round } from '../support/figures.ts'

/** What POST /orders took: orders a second and the milliseconds of each answer. */
export type LoadReport = { perSecond: number; p50Ms: number; p99Ms: number; orders: number }

// Sends orders over keep-alive connections, one at a time on each, every one with an id and a key of its own.
const url = given('URL')
const connections = Number(given('CONNECTIONS'))
const warmUpMs = Number(given('WARM_UP_SECONDS')) * 1_000
const measureMs = Number(given('SECONDS')) * 1_000

// Written once: only the order's number is put in between, so that this process costs the others little.
const [before = '', after = ''] = JSON.stringify(exampleOrder('NUMBER')).split('NUMBER')
const run = randomUUID().slice(0, 8)
let sent = 0

const startedAt = performance.now()
const measureFrom = startedAt + warmUpMs
const endAt = measureFrom + measureMs
const latencies: number[] = []

await Promise.all(Array.from({ length: connections }, () => sendUntilEnd(new Client(url))))
await report({
  perSecond: round((latencies.length / measureMs) * 1_000),
  p50Ms: round(percentile(latencies, 50)),
  p99Ms: round(percentile(latencies, 99)),
  orders: latencies.length,
} satisfies LoadReport)
process.disconnect()

async function sendUntilEnd(client: Client): Promise<void> {
  while (performance.now() < endAt) {
    const begun = performance.now()
    await sendOrder(client)
    const answeredAt = performance.now()
    if (answeredAt >= measureFrom && answeredAt < endAt) latencies.push(answeredAt - begun)
  }
  await client.close()
}

/** By `dispatch`, the cheapest undici has. Rejects for any answer but 202. */
function sendOrder(client: Client): Promise<void> {
  sent += 1
  const number = `${run}-${sent}`
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  client.dispatch(
    {
      path: '/orders',
      method: 'POST',
      headers: {
        authorization: given('AUTHORIZATION'),
        'content-type': 'application/json',
        'idempotency-key': number,
      },
      body: `${before}${number}${after}`,
    },
    {
      onRequestStart() {},
      onResponseStart(_controller, status) {
        if (status !== 202) reject(new Error(`answered ${status}`))
      },
      onResponseData() {},
      onResponseEnd: () => resolve(),
      onResponseError: (_controller, error) => reject(error),
    },
  )
  return promise
}
