import { RequestFailed, type BoundHttp } from '#targets/http/bind-http.ts'
import { UnusableMapping } from '#targets/http/map-request.ts'
import { maxReasonBytes } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import { targetDefaults } from '#targets/target.ts'
import { withinDeadline } from '#targets/within-deadline.ts'

import { notCharged, readChargeResult, type ChargeResult } from './charge-result.ts'
import { keptText } from './kept-text.ts'
import type { Charge, PaymentGateway, PaymentLookup } from './payment-gateway.ts'

/**
 * A new connection for each call: a kept one that the gateway closes as a charge is written leaves open whether the card
 * was charged, and a buyer waits longer for that than for a handshake. The signal ends calls, long before the 60 s.
 */
export const chargeAgent = { ...targetDefaults, timeoutSeconds: 60, idempotent: false }

/** Makes a charge, and says what it came to when it throws, or does not end in time. */
export function chargeWithin(
  charge: Charge,
  make: () => Promise<ChargeResult>,
): Promise<ChargeResult> {
  const explain = (error: unknown) => explainThrown(error, charge.token)
  const late = (): ChargeResult => ({ kind: 'uncertain', reason: 'did not answer in time' })
  return withinDeadline(make().catch(explain), charge.signal, late)
}

/** `PaymentGateway.lookup` out of the option, when it was given. */
export function lookUpWithin(
  lookup: PaymentLookup | undefined,
  bind: (charge: Charge) => BoundHttp,
): Pick<PaymentGateway, 'lookup'> {
  if (!lookup) return {}
  return {
    lookup(charge) {
      const ask = async () => {
        const said: unknown = await lookup({ ...charge, http: bind(charge) })
        if (said === undefined) return { kind: 'unknown' } as const
        return readChargeResult('payment.lookup', said, charge.token)
      }
      // Whatever became of the question, the charge may have been made.
      const explain = (error: unknown): ChargeResult => {
        const reason = `payment.lookup: ${reasonOf(error)}`
        return { kind: 'uncertain', reason: kept(reason, charge.token) }
      }
      return withinDeadline(ask().catch(explain), charge.signal, explain)
    },
  }
}

function explainThrown(error: unknown, token: string): ChargeResult {
  const reason = kept(reasonOf(error), token)
  if (error instanceof UnusableMapping)
    return notCharged(reason.replaceAll('targets.payment.', 'payment.'))
  const isUnsent = error instanceof RequestFailed && error.exchange.kind === 'not-sent'
  return isUnsent ? notCharged(reason) : { kind: 'uncertain', reason }
}

function kept(reason: string, token: string): string {
  return keptText(reason, { token, maxBytes: maxReasonBytes })
}
