import { giveUp, maxFileBytes, type Outcome, tryAgain } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import {
  kindOfTarget,
  toldOf,
  type FromEnvironment,
  type TargetDefinition,
} from '#targets/target-kind.ts'
import { fillTargetOptions } from '#targets/target-options.ts'
import type { Call } from '#targets/target.ts'
import { textAt } from '#targets/text-at.ts'
import { withinDeadline } from '#targets/within-deadline.ts'

import { openRenderer, type Renderer } from './open-renderer.ts'
import { findReceiptMistakes, ReceiptOptions as Schema } from './receipt-options.ts'
import type { ReceiptRequest } from './receipt-request.ts'

/**
 * - `seller`: name, address line by line, tax id.
 * - `title`, `footer`: one text, or one by language: `{ en: 'Invoice', de: 'Rechnung' }`.
 * - `number`: a function of the order, the same for every attempt; left out, the order's externalId.
 * - `timeZone`: of the dates, `Europe/Berlin`; left out, UTC.
 */
export type ReceiptOptions = FromEnvironment<Schema>

/**
 * A PDF in the customer's language, kept with the order: what `GET /orders/{id}/receipt` answers and mails attach.
 * The same order gives the same bytes. Told that the order is cancelled, it makes one that says so, in place of
 * the former.
 */
export function receipt(options: ReceiptOptions): TargetDefinition {
  return { kind: 'receipt', options }
}

export const receiptKind = kindOfTarget({
  schema: Schema,
  findMistakes: findReceiptMistakes,
  create(name, options) {
    const target = fillTargetOptions(options)
    const renderer = openRenderer()
    return {
      ...target,
      name,
      kind: 'receipt',
      call: (call) =>
        // Those before it in the line are not waited for.
        withinDeadline(tell(name, options, { call, renderer }), call.signal, notRendered),
      close: () => renderer.close(),
    }
  },
})

async function tell(
  name: string,
  options: Schema,
  { call, renderer }: { call: Call; renderer: Renderer },
): Promise<Outcome> {
  const number = numberOf(name, options, call)
  if (number instanceof Error) return giveUp(storableReason(number.message))
  const request = requestOf(name, options, { call, number })
  let rendered
  try {
    rendered = await renderer.render(request, call.signal)
  } catch (error) {
    return notRendered(error)
  }
  if ('mistake' in rendered)
    return giveUp(storableReason(`cannot be rendered: ${rendered.mistake}`))
  const { bytes, pages } = rendered
  if (bytes.length > maxFileBytes)
    return giveUp(`has ${bytes.length} bytes, more than ${maxFileBytes}`)
  const { cancelledAt } = request
  const file = {
    name: `receipt-${call.order.externalId}.pdf`,
    contentType: 'application/pdf',
    bytes,
  }
  const value = { number, pages, bytes: bytes.length, ...(cancelledAt !== null && { cancelledAt }) }
  return { kind: 'delivered', answer: { text: JSON.stringify(value), value }, file }
}

/** Nobody has been told anything: it can begin anew. */
function notRendered(reason: unknown): Outcome {
  return tryAgain(storableReason(`not rendered: ${reasonOf(reason)}`))
}

function requestOf(
  name: string,
  { seller, title, footer, timeZone = 'UTC' }: Schema,
  { call, number }: { call: Call; number: string },
): ReceiptRequest {
  const { order, message, answers } = call
  // Whatever it is told of later, the order stays cancelled.
  const cancelledAt =
    message.kind === 'order.cancelled'
      ? message.createdAt
      : (textAt(answers[name]?.value, '/cancelledAt') ?? null)
  return { order, seller, number, title, footer, timeZone, cancelledAt }
}

function numberOf(name: string, { number }: Schema, call: Call): string | Error {
  if (!number) return call.order.externalId
  try {
    const made: unknown = number(toldOf(call))
    if (typeof made === 'string' && made !== '' && made.length <= 64) return made
    return new Error(`targets.${name}.number returned something else than 1 to 64 characters`)
  } catch (error) {
    return new Error(`targets.${name}.number threw: ${reasonOf(error)}`)
  }
}
