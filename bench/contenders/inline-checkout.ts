import { createTransport } from 'nodemailer'
import { Agent, setGlobalDispatcher, fetch } from 'undici'

import { exampleOrder } from '#messages/example-order.ts'

import { given, report } from '../support/contender.ts'

/** For each checkout, milliseconds: the whole, with and without the ERP, and the payment in it. */
export type InlineReport = { withErpMs: number[]; withoutErpMs: number[]; paymentMs: number[] }

// A checkout without Orderwheel: it charges the card, and then calls everything itself, one after the other, before the
// buyer has an answer. CHECKOUTS buyers come at once; none waits for another.
const simulator = given('SIMULATOR_URL')
const mail = createTransport({ url: given('SMTP_URL'), pool: true, maxConnections: 50 })
setGlobalDispatcher(new Agent({ connections: null }))

/** The ERP comes last, to be told from the rest. */
const systems = [
  'receipt',
  'inventory-eu',
  'inventory-us',
  'inventory-asia',
  'analytics',
  'partner-webhook',
  'audit',
  'crm',
  'shipping',
  'sms',
  'push',
  'erp',
]

const took: InlineReport = { withErpMs: [], withoutErpMs: [], paymentMs: [] }

async function checkOut(number: number): Promise<void> {
  const order = exampleOrder(`INLINE-${number}`)
  const began = performance.now()
  await call('payment/charges', number, {
    token: 'tok_approve',
    amount: order.totals.total,
    currency: order.currency,
    capture: true,
  })
  took.paymentMs.push(performance.now() - began)
  await mail.sendMail({
    from: 'Demo Shop <orders@shop.example>',
    to: order.customer.email,
    subject: order.externalId,
    text: 'Thank you!',
  })
  for (const system of systems) {
    if (system === 'erp') took.withoutErpMs.push(performance.now() - began)
    await call(system, number, order)
  }
  took.withErpMs.push(performance.now() - began)
}

async function call(path: string, number: number, body: object): Promise<void> {
  const answer = await fetch(`${simulator}/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `inline-${number}` },
    body: JSON.stringify(body),
  })
  await answer.text()
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
}

const checkouts = Array.from({ length: Number(given('CHECKOUTS')) }, (_, number) => number)
await Promise.all(checkouts.map(checkOut))
await report(took)
mail.close()
process.exit()
