import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { addMessage } from '#outbox/add-message.ts'

type OwnMessage = {
  kind: string
  payload: unknown
  /** Which order it is about; null: none. */
  about: { id: string } | { externalId: string } | null
}

export type AddedOwnMessage =
  | { kind: 'added'; id: string; createdAt: string; orderId: string | null }
  | { kind: 'no-such-order' }

/** Adds a message of a kind that the configuration declares. Its payload must be what its schema says. */
export async function addOwnMessage(
  tx: Tx,
  { kind, payload, about }: OwnMessage,
): Promise<AddedOwnMessage> {
  const orderId = about && (await findOrder(tx, about))
  if (orderId === undefined) return { kind: 'no-such-order' }
  const added = await addMessage(tx, { orderId, kind, payload })
  return { kind: 'added', ...added, orderId }
}

// Held until the message is there: it cannot be about an order that is deleted meanwhile.
async function findOrder(
  tx: Tx,
  about: { id: string } | { externalId: string },
): Promise<string | undefined> {
  const isIt = 'id' in about ? sql`id = ${about.id}::uuid` : sql`external_id = ${about.externalId}`
  const { rows } = await sql<{ id: string }>`
    select id from orderwheel.orders where ${isIt} for key share`.execute(tx)
  return rows[0]?.id
}
