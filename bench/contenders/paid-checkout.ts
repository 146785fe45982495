import { Agent, fetch, setGlobalDispatcher } from 'undici'

import { exampleOrder } from '#messages/example-order.ts'

import { given, report } from '../support/contender.ts'

/** For each checkout, milliseconds until the buyer had an answer: with a card to charge, and already paid. */
export type PaidReport = { chargedMs: number[]; paidMs: number[] }

// A checkout with Orderwheel: one POST. CHECKOUTS buyers with a card come at once, then as many who have paid.
const url = given('URL')
const authorization = given('AUTHORIZATION')
const checkouts = Array.from({ length: Number(given('CHECKOUTS')) }, (_, number) => number)
setGlobalDispatcher(new Agent({ connections: null }))

async function checkOut(externalId: string, payment: object): Promise<number> {
  const began = performance.now()
  const answer = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', 'idempotency-key': externalId },
    body: JSON.stringify({ ...exampleOrder(externalId), ...payment }),
  })
  const said = await answer.text()
  if (answer.status !== 202) throw new Error(`${externalId}: ${answer.status} ${said}`)
  return performance.now() - began
}

// What is called for the first time is compiled, and connections to the gateway are opened; a shop's processes run for
// weeks.
const card = { payment: { token: 'tok_approve' } }
await Promise.all(checkouts.map((number) => checkOut(`WARM-${number}`, card)))
const chargedMs = await Promise.all(checkouts.map((number) => checkOut(`CARD-${number}`, card)))
const paidMs = await Promise.all(checkouts.map((number) => checkOut(`PAID-${number}`, {})))
await report({ chargedMs, paidMs } satisfies PaidReport)
process.exit()
