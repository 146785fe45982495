import type { Order } from '#messages/order.ts'
import { answersOf, type EarlierAnswers } from '#targets/earlier-answers.ts'
import { NoOrder } from '#targets/no-order.ts'
import type { Call, MessageToTell, OrderToTell } from '#targets/target.ts'

import type { StoredAnswers } from './read-answers.ts'

/** The order and the message as a target is given them. The order is parsed when it is first looked at. */
export function readTold({
  orderId,
  messageId,
  kind,
  told,
}: {
  orderId: string
  messageId: string
  kind: string
  told?: Told
}): {
  readonly order: OrderToTell
  message: MessageToTell
  answers: EarlierAnswers
  file: Call['file']
  standing: Call['standing']
  edited: unknown
} {
  if (!told) throw new Error(`Delivery of message ${messageId} was called already.`)
  const { document, receivedAt, payload, createdAt, edited, answers, file, standing } = told
  const isAboutOrder = document !== null && receivedAt !== null
  let order: OrderToTell | undefined
  return {
    get order() {
      if (!isAboutOrder) throw new NoOrder({ id: messageId, kind })
      order ??= {
        ...(JSON.parse(document) as Order),
        id: orderId,
        receivedAt: isoTime(receivedAt),
      }
      return order
    },
    message: {
      id: messageId,
      kind,
      orderId: isAboutOrder ? orderId : null,
      payload,
      createdAt: isoTime(createdAt),
    },
    answers: answersOf(answers),
    file,
    standing,
    edited,
  }
}

/** As it came from the database: read when the call is made, since many deliveries may wait for theirs. */
export type Told = {
  /** Null, as `receivedAt`: the message is about no order. */
  document: string | null
  receivedAt: number | null
  payload: unknown
  createdAt: number
  /** Null, for nearly all. */
  edited: unknown
  answers: StoredAnswers | null
  file: Call['file']
  standing: Call['standing']
  /** Writes down that it is about to be called. False: it is not ours any more. Absent: nobody asks. */
  announce?: () => Promise<boolean>
}

// Down to the millisecond, as everywhere; a float is a fraction of a microsecond off.
function isoTime(epochSeconds: number): string {
  return new Date(Math.floor(epochSeconds * 1_000 + 0.000_5)).toISOString()
}
