import { Agent } from 'undici'

import { exampleOrder } from '#messages/example-order.ts'

import { given, untilStopped } from '../support/contender.ts'

// The product's agent and the product's request, and nothing else: LOOP_CONCURRENCY loops that post the
// same order until stopped.
const concurrency = Number(given('LOOP_CONCURRENCY'))
const url = new URL(given('SINK_URL'))
const agent = new Agent({ connections: concurrency, pipelining: 1, allowH2: false })
const id = '019ac000-0000-7000-8000-000000000000'
const body = JSON.stringify({
  ...exampleOrder('COPY-100000'),
  id,
  receivedAt: '2026-11-22T10:15:00.000Z',
})

async function post(): Promise<void> {
  const { body: answer } = await agent.request({
    origin: url.origin,
    path: url.pathname,
    method: 'POST',
    headers: {
      'user-agent': 'Orderwheel',
      'content-type': 'application/json',
      'idempotency-key': `sink-${id}`,
    },
    body,
  })
  await answer.text()
}

async function loop(): Promise<never> {
  for (;;) await post()
}

void Promise.all(Array.from({ length: concurrency }, loop))
await untilStopped()
process.exit()
