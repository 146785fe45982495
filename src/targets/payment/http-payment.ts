import { Type, type Static } from 'typebox'

import { addPath, sayClimbs } from '#targets/http/add-path.ts'
import { bindHttp, type BoundHttp } from '#targets/http/bind-http.ts'
import { explainMissingAnswer } from '#targets/http/explain-exchange.ts'
import { findUrlMistakes } from '#targets/http/find-url-mistakes.ts'
import {
  mapHeaders,
  mapRequest,
  UnusableMapping,
  type MappingOptions,
} from '#targets/http/map-request.ts'
import { openAgent } from '#targets/http/open-agent.ts'
import { originOf } from '#targets/http/origin-of.ts'
import { sendRequest, type Exchange, type HttpAnswer } from '#targets/http/send-request.ts'
import { maxReasonBytes } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import type { FromEnvironment, Told } from '#targets/target-kind.ts'

import { declined, notCharged, readChargeResult, type ChargeResult } from './charge-result.ts'
import { chargeAgent, chargeWithin, lookUpWithin } from './charge-within.ts'
import { keptText } from './kept-text.ts'
import {
  fillPaymentOptions,
  findPaymentMistakes,
  paymentOptions,
  type Charge,
  type ChargeChange,
  type PaymentDefinition,
} from './payment-gateway.ts'
import type { PaymentKind } from './payment-kind.ts'
import { createPaymentTarget } from './payment-target.ts'

const Text = Type.Union([
  Type.String(),
  Type.Unsafe<(charge: Charge) => string>({ type: 'function' }),
])

export const HttpPaymentOptions = Type.Object(
  {
    url: Type.String({ description: 'Where the gateway is. Credentials in it become Basic.' }),
    /** Added to the url: `/charges`. */
    path: Type.Optional(Text),
    headers: Type.Optional(Type.Record(Type.String(), Type.String())),
    body: Type.Unsafe<(charge: Charge) => unknown>({
      type: 'function',
      description: 'What is sent. A string or bytes go as they are, everything else as JSON.',
    }),
    answer: Type.Unsafe<(answer: HttpAnswer) => ChargeResult | undefined>({
      type: 'function',
      description: 'Says what an answer means; undefined leaves it to the status.',
    }),
    ...paymentOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof HttpPaymentOptions>

export type HttpPaymentOptions = FromEnvironment<Options>

/**
 * A payment gateway that charges by one POST. `Idempotency-Key`, the order's id, is always sent; redirects are never
 * followed. What `answer` leaves open is judged by the status: 4xx charged nothing, but 408, 409, 425 and 429 and
 * everything else may have.
 */
export function httpPayment(options: HttpPaymentOptions): PaymentDefinition {
  return { paymentKind: 'http', options }
}

export const httpPaymentKind: PaymentKind = {
  schema: HttpPaymentOptions,
  findMistakes: (options) => [
    ...findUrlMistakes('url', (options as Options).url),
    ...findPaymentMistakes(options as Options),
  ],
  create(given) {
    const options = given as Options
    const agent = openAgent(chargeAgent)
    const close = () => agent.destroy()
    const bind = (call: Charge | ChargeChange, key?: string) =>
      bindGateway(agent, options, call, key)
    return {
      gateway: {
        ...fillPaymentOptions(options),
        charge: (charge) =>
          chargeWithin(charge, async () => {
            const request = mapRequest('payment', asMapping(options), { told: asTold(charge) })
            const exchange = await sendRequest(agent, request, charge.signal)
            return judge(options, exchange, charge.token)
          }),
        ...lookUpWithin(options.lookup, (charge) => bind(charge)),
        close,
      },
      target: {
        ...createPaymentTarget('http', options, {
          bind: (change) => bind(change, change.idempotencyKey),
          close,
        }),
        address: originOf(options.url),
      },
    }
  },
}

function judge(options: Options, exchange: Exchange, token: string): ChargeResult {
  if (exchange.kind !== 'answered') {
    const { kind, ...missing } = explainMissingAnswer(exchange)
    const said = 'reason' in missing ? missing.reason : undefined
    const reason = keptText(said, { token, maxBytes: maxReasonBytes })
    return kind === 'uncertain' ? { kind, reason } : notCharged(reason)
  }
  const { answer } = exchange
  try {
    const said: unknown = options.answer(answer)
    if (said !== undefined) return readChargeResult('payment.answer', said, token)
    return judgeStatus(answer)
  } catch (error) {
    const reason = `payment.answer threw: ${reasonOf(error)}`
    return { kind: 'uncertain', reason: keptText(reason, { token, maxBytes: maxReasonBytes }) }
  }
}

/** Of the 4xx, those that say *later* or *somebody else is at it*. */
const openStatuses = new Set([408, 409, 425, 429])

function judgeStatus({ status }: HttpAnswer): ChargeResult {
  // What gateways say of a card that was not accepted.
  if (status === 402) return declined('declined')
  const reason = `answered ${status}`
  return status >= 400 && status < 500 && !openStatuses.has(status)
    ? notCharged(reason)
    : { kind: 'uncertain', reason }
}

/** A url that starts with / is added to the gateway's own, and goes with its headers; other urls go without. */
function bindGateway(
  agent: ReturnType<typeof openAgent>,
  options: Options,
  call: Charge | ChargeChange,
  idempotencyKey: string | undefined,
): BoundHttp {
  const { signal } = call
  const http = bindHttp(agent, { signal, ...(idempotencyKey ? { idempotencyKey } : {}) })
  return async (request) => {
    if (!request.url.startsWith('/')) return http(request)
    const url = addPath(options.url, request.url)
    if (!url) throw new UnusableMapping(`its url ${sayClimbs}`)
    const headers = {
      ...mapHeaders('payment', asMapping(options), asTold(call)),
      ...request.headers,
    }
    return http({ ...request, url: url.href, headers })
  }
}

// The mapping hands on what it is given, and itself looks at the key only.
function asMapping(options: Options): MappingOptions {
  return options as unknown as MappingOptions
}

function asTold(call: Charge | ChargeChange): Told {
  return call as unknown as Told
}
