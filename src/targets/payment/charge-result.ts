import type { Outcome } from '#targets/outcome.ts'
import { maxReasonBytes } from '#targets/read-outcome.ts'

import { keptText } from './kept-text.ts'

/** What one request to a payment gateway came to. */
export type ChargeResult =
  /** `reference`: what the gateway calls the charge, 1 to 255 characters. */
  | { kind: 'approved'; reference: string }
  /** `reason` is shown to the buyer. */
  | { kind: 'declined'; reason: string; code?: string }
  /** The card may have been charged: the gateway is asked again, with the same key. */
  | { kind: 'uncertain'; reason: string }
  /** For certain this request charged nothing, and the buyer could do nothing about it. */
  | { kind: 'not-charged'; reason: string }

export function approved(reference: string): ChargeResult {
  return { kind: 'approved', reference }
}

/** `reason` is shown to the buyer: `insufficient funds`, never what only the shop may know. */
export function declined(reason: string, code?: string): ChargeResult {
  return code === undefined ? { kind: 'declined', reason } : { kind: 'declined', reason, code }
}

/** Only for what cannot have charged anybody: our key is wrong, the gateway does not know the currency. */
export function notCharged(reason: string): ChargeResult {
  return { kind: 'not-charged', reason }
}

export const maxReferenceLength = 255
const maxCodeBytes = 64

/**
 * A result a function of the configuration file returned, cut to what is stored, without the card's token. What is
 * none, or approves without a reference, is uncertain: the card may have been charged.
 */
export function readChargeResult(place: string, said: unknown, token: string): ChargeResult {
  const unreadable: ChargeResult = {
    kind: 'uncertain',
    reason: `${place} returned something else than approved(), declined(), notCharged() or uncertain()`,
  }
  if (!isResult(said)) return unreadable
  if (said.kind === 'approved') return readApproved(place, said.reference)
  const reason = keptText(said.reason, { token, maxBytes: maxReasonBytes })
  if (said.kind !== 'declined') return { kind: said.kind, reason }
  const code = said.code === undefined ? '' : keptText(said.code, { token, maxBytes: maxCodeBytes })
  return declined(reason, code || undefined)
}

function readApproved(place: string, reference: unknown): ChargeResult {
  const text = typeof reference === 'string' ? reference.trim() : ''
  // Only what can be sent back as it came: half of a reference refunds nothing.
  const isGood = text !== '' && text.length <= maxReferenceLength && !/\p{Cc}|\p{Cs}/u.test(text)
  if (isGood) return approved(text)
  return {
    kind: 'uncertain',
    reason: `${place} approved with a reference that is not 1 to ${maxReferenceLength} characters of text`,
  }
}

type Said = ChargeResult | Extract<Outcome, { kind: 'uncertain' }>

function isResult(said: unknown): said is Said {
  if (typeof said !== 'object' || said === null || !('kind' in said)) return false
  if (said.kind === 'approved') return 'reference' in said
  const isOther =
    said.kind === 'declined' || said.kind === 'uncertain' || said.kind === 'not-charged'
  return isOther && 'reason' in said && typeof said.reason === 'string'
}
