import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import type { PaymentState } from '#database/tables.ts'
import { addMessage } from '#outbox/add-message.ts'

export type Cancellation = {
  externalId: string
  messageId: string
  /** ISO 8601. */
  cancelledAt: string
  reason: string | null
}

export type Cancelled =
  /** `isNew`: by this call; else what an earlier one did. */
  | { kind: 'cancelled'; isNew: boolean; cancellation: Cancellation }
  | { kind: 'not-found' }
  /** Nobody can be told of it any more; `why` for people. */
  | { kind: 'too-late'; why: string }

/**
 * Cancels an order: adds an `order.cancelled` message, once. Whoever is told of it, and who need not be, the relay finds
 * out; while it is not known whether it was paid, nobody. `id` must be a UUID.
 */
export async function cancelOrder(
  tx: Tx,
  { id, reason }: { id: string; reason: string | null },
): Promise<Cancelled> {
  const order = await lockOrder(tx, id)
  if (!order) return { kind: 'not-found' }
  const { externalId } = order
  const known = await findCancellation(tx, id)
  if (known) return { kind: 'cancelled', isNew: false, cancellation: { externalId, ...known } }
  if (order.isForgotten) return { kind: 'too-late', why: 'The personal data in it was removed.' }
  // Whether it was cancelled before is not known any more, either.
  if (order.cancelledAt) return { kind: 'too-late', why: sayCancelled(order.cancelledAt) }
  if (order.historyDropped)
    return { kind: 'too-late', why: 'What happened to it is not kept any more.' }
  const payment = await readPayment(tx, id)
  // Nobody was told of it, so that there is nobody to be told that it is cancelled.
  if (payment === 'declined') return { kind: 'too-late', why: 'Its payment was declined.' }
  const message = await addMessage(tx, {
    orderId: id,
    kind: 'order.cancelled',
    payload: reason === null ? {} : { reason },
    held: payment === 'pending',
  })
  const cancellation = { externalId, messageId: message.id, cancelledAt: message.createdAt, reason }
  return { kind: 'cancelled', isNew: true, cancellation }
}

function sayCancelled(at: Date): string {
  return `It was cancelled at ${at.toISOString()}; what happened to it is not kept any more.`
}

type Locked = {
  externalId: string
  isForgotten: boolean
  cancelledAt: Date | null
  historyDropped: boolean
}

// Of two who cancel the same order, the second sees what the first did. Others may add messages meanwhile.
async function lockOrder(tx: Tx, id: string): Promise<Locked | undefined> {
  const { rows } = await sql<Locked>`
    select coalesce((select p.external_id from orderwheel.payments p where p.order_id = o.id), o.external_id) as "externalId",
           forgotten_at is not null as "isForgotten",
           cancelled_at as "cancelledAt",
           coalesce(received_at < orderwheel.history_since(), false) as "historyDropped"
      from orderwheel.orders o where id = ${id}::uuid
       for no key update`.execute(tx)
  return rows[0]
}

// Whoever writes down what became of a payment locks the order, too.
async function readPayment(tx: Tx, orderId: string): Promise<PaymentState | undefined> {
  const { rows } = await sql<{ state: PaymentState }>`
    select state from orderwheel.payments where order_id = ${orderId}::uuid`.execute(tx)
  return rows[0]?.state
}

// One statement: read in two, a message that is relayed in between would be in neither.
async function findCancellation(
  tx: Tx,
  orderId: string,
): Promise<Omit<Cancellation, 'externalId'> | undefined> {
  const { rows } = await sql<{ messageId: string; cancelledAt: Date; reason: string | null }>`
    select id as "messageId", created_at as "cancelledAt", payload->>'reason' as reason
      from (select position, id, kind, created_at, payload from orderwheel.outbox where order_id = ${orderId}::uuid
            union all
            select position, id, kind, created_at, payload from orderwheel.messages where order_id = ${orderId}::uuid) m
     where kind = 'order.cancelled'
     order by position limit 1`.execute(tx)
  const [found] = rows
  return found && { ...found, cancelledAt: found.cancelledAt.toISOString() }
}
