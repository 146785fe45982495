import { setTimeout } from 'node:timers/promises'

import { Agent, fetch, setGlobalDispatcher } from 'undici'

import { exampleOrder } from '#messages/example-order.ts'

import { given, report } from '../support/contender.ts'

/** For each checkout, milliseconds until the buyer had an answer: with a card to charge, and already paid. */
export type PaidReport = { chargedMs: number[]; paidMs: number[] }

type Placed = { id: string; ms: number }

// A checkout with Orderwheel: one POST. CHECKOUTS buyers with a card come at once, later as many who have paid.
const url = given('URL')
const authorization = given('AUTHORIZATION')
const checkouts = Array.from({ length: Number(given('CHECKOUTS')) }, (_, number) => number)
setGlobalDispatcher(new Agent({ connections: null }))

async function checkOut(externalId: string, payment: object): Promise<Placed> {
  const began = performance.now()
  const answer = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', 'idempotency-key': externalId },
    body: JSON.stringify({ ...exampleOrder(externalId), ...payment }),
  })
  const said = await answer.text()
  const ms = performance.now() - began
  if (answer.status !== 202) throw new Error(`${externalId}: ${answer.status} ${said}`)
  const { id } = JSON.parse(said) as { id: string }
  return { id, ms }
}

/** When every target was told of an order. */
async function untilTold({ id }: Pick<Placed, 'id'>): Promise<void> {
  const answer = await fetch(`${url}/orders/${id}`, { headers: { authorization } })
  const { state } = (await answer.json()) as { state?: string }
  if (state === undefined || state === 'needs-attention')
    throw new Error(`order ${id}: ${answer.status} ${state}`)
  if (state === 'completed') return
  await setTimeout(1_000)
  return await untilTold({ id })
}

/** All buyers at once, in a shop that has nothing else to do; then everything else, until it is quiet again. */
async function checkOutAll(name: string, payment: object): Promise<number[]> {
  const placed = await Promise.all(
    checkouts.map((number) => checkOut(`${name}-${number}`, payment)),
  )
  await Promise.all(placed.map(untilTold))
  return placed.map(({ ms }) => ms)
}

// What is called for the first time is compiled, and connections to the gateway are opened; a shop's processes run for
// weeks.
const card = { payment: { token: 'tok_approve' } }
await checkOutAll('WARM', card)
const chargedMs = await checkOutAll('CARD', card)
const paidMs = await checkOutAll('PAID', {})
await report({ chargedMs, paidMs } satisfies PaidReport)
process.exit()
