import { Type, type Static } from 'typebox'

import { bindHttp, type BoundHttp } from '#targets/http/bind-http.ts'
import { openAgent } from '#targets/http/open-agent.ts'
import type { FromEnvironment } from '#targets/target-kind.ts'

import { readChargeResult, type ChargeResult } from './charge-result.ts'
import { chargeAgent, chargeWithin, lookUpWithin } from './charge-within.ts'
import {
  fillPaymentOptions,
  findPaymentMistakes,
  paymentOptions,
  type Charge,
  type PaymentDefinition,
} from './payment-gateway.ts'
import type { PaymentKind } from './payment-kind.ts'
import { createPaymentTarget } from './payment-target.ts'

/**
 * Charges a card. Must carry `idempotencyKey` to the gateway, and end soon after `signal` aborts. What it throws
 * leaves open whether the card was charged, unless it is `http`'s own error for a request that was not sent.
 */
export type ChargeCard = (charge: Charge & { http: BoundHttp }) => Promise<ChargeResult>

const CustomPaymentOptions = Type.Object(
  { charge: Type.Unsafe<ChargeCard>({ type: 'function' }), ...paymentOptions },
  { additionalProperties: false },
)

type Options = Static<typeof CustomPaymentOptions>

export type CustomPaymentOptions = FromEnvironment<Omit<Options, 'charge'>>

/** A payment gateway that is asked by a function. */
export function customPayment(
  charge: ChargeCard,
  options: CustomPaymentOptions = {},
): PaymentDefinition {
  return { paymentKind: 'custom', options: { ...options, charge } }
}

export const customPaymentKind: PaymentKind = {
  schema: CustomPaymentOptions,
  findMistakes: (options) => findPaymentMistakes(options as Options),
  create(given) {
    const options = given as Options
    const agent = openAgent(chargeAgent)
    const close = () => agent.destroy()
    return {
      gateway: {
        ...fillPaymentOptions(options),
        charge: (charge) =>
          chargeWithin(charge, async () => {
            const said = await options.charge({ ...charge, http: bindHttp(agent, charge) })
            return readChargeResult('payment.charge', said, charge.token)
          }),
        ...lookUpWithin(options.lookup, ({ signal }) => bindHttp(agent, { signal })),
        close,
      },
      target: createPaymentTarget('custom', options, {
        bind: (change) => bindHttp(agent, change),
        close,
      }),
    }
  },
}
