import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'
import { addMessage } from '#outbox/add-message.ts'

import { idByNumber } from './id-by-number.ts'

type OwnMessage = {
  kind: string
  payload: unknown
  /** Which order it is about; null: none. */
  about: { id: string } | { externalId: string } | null
}

export type AddedOwnMessage =
  | { kind: 'added'; id: string; createdAt: string; orderId: string | null }
  | { kind: 'no-such-order' }
  /** Nobody was told of the order: it is not paid, or not yet. */
  | { kind: 'not-paid'; orderId: string; payment: 'pending' | 'declined' }

/** Adds a message of a kind that the configuration declares. Its payload must be what its schema says. */
export async function addOwnMessage(
  tx: Tx,
  { kind, payload, about }: OwnMessage,
): Promise<AddedOwnMessage> {
  const order = about && (await findOrder(tx, about))
  if (order === undefined) return { kind: 'no-such-order' }
  const orderId = order?.id ?? null
  const payment = order?.payment
  if (orderId !== null && (payment === 'pending' || payment === 'declined'))
    return { kind: 'not-paid', orderId, payment }
  const added = await addMessage(tx, { orderId, kind, payload })
  return { kind: 'added', ...added, orderId }
}

// Held until the message is there: it cannot be about an order that is deleted meanwhile.
async function findOrder(
  tx: Tx,
  about: { id: string } | { externalId: string },
): Promise<{ id: string; payment: PaymentState | null } | undefined> {
  const id = 'id' in about ? sql`${about.id}::uuid` : idByNumber(about.externalId)
  const { rows } = await sql<{ id: string; payment: PaymentState | null }>`
    select o.id, p.state as payment
      from orderwheel.orders o left join orderwheel.payments p on p.order_id = o.id
     where o.id = ${id} for key share of o`.execute(tx)
  return rows[0]
}
