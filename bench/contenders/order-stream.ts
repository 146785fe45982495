import { setTimeout } from 'node:timers/promises'

import { Agent } from 'undici'

import { exampleOrder } from '#messages/example-order.ts'

import { given, report } from '../support/contender.ts'

/** Orders that were not answered with 202; when the others were answered: Unix time in ms, by order id. */
export type StreamReport = { refused: number; answeredAt: ReadonlyMap<string, number> }

// Posts ORDERS orders, PER_SECOND a second, evenly, whether or not the ones before were answered.
const url = new URL(given('URL'))
const authorization = given('AUTHORIZATION')
const orders = Number(given('ORDERS'))
const everyMs = 1_000 / Number(given('PER_SECOND'))

const agent = new Agent({ connections: 20 })
const answeredAt = new Map<string, number>()
let refused = 0

async function post(number: number): Promise<void> {
  const externalId = `STREAM-${number}`
  const { statusCode, body } = await agent.request({
    origin: url.origin,
    path: '/orders',
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', 'idempotency-key': externalId },
    body: JSON.stringify(exampleOrder(externalId)),
  })
  const at = Date.now()
  const answer = (await body.json()) as { id: string }
  if (statusCode === 202) answeredAt.set(answer.id, at)
  else refused += 1
}

const posts: Promise<void>[] = []
const began = performance.now()
for (let number = 0; number < orders; number += 1) {
  await setTimeout(Math.max(0, began + number * everyMs - performance.now()))
  posts.push(post(number))
}
await Promise.all(posts)
await report({ refused, answeredAt } satisfies StreamReport)
await agent.close()
process.exit()
