import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { idempotencyKey } from '#deliveries/call-target.ts'
import { readTold } from '#deliveries/read-told.ts'
import { readFile } from '#deliveries/keep-files.ts'
import { readAnswers } from '#deliveries/read-answers.ts'
import { readStanding } from '#deliveries/read-standing.ts'
import type { RequestEditing, RequestFormat } from '#targets/http/edit-request.ts'
import type { Target } from '#targets/target.ts'

/** The request that a dead letter's target would be sent, or was sent after somebody edited it. */
export type LetterRequest = {
  kind: 'request'
  target: string
  orderId: string
  messageId: string
  /** As the current configuration makes it of the order, or as somebody edited it before (`isEdited`). */
  text: string
  format: RequestFormat
  isEdited: boolean
  editing: RequestEditing
}

export type FoundRequest =
  | LetterRequest
  | { kind: 'unknown' }
  /** `why`: a sentence. */
  | { kind: 'not-editable'; why: string }

/** Makes the request of a dead letter by these targets' configuration; nothing is sent. */
export async function readRequest(
  db: Db,
  targets: readonly Target[],
  letterId: string,
): Promise<FoundRequest> {
  const row = await readLetter(db, letterId)
  if (!row) return { kind: 'unknown' }
  const { target: name, orderId, messageId, attempts, edited } = row
  const target = targets.find((one) => one.name === name)
  if (!target) return notEditable(`The target ${name} is not in the configuration.`)
  const { editing } = target
  if (!editing)
    return notEditable(
      `The target ${name} is told by code of its own: only that knows what is sent.`,
    )
  const stored = await readAnswers(db, name, [row])
  const file = (maker: string) => readFile(db, orderId, maker)
  const standing = () => readStanding(db, { orderId, messageId, target: name })
  const given = { ...row, answers: stored.get(messageId) ?? null, file, standing }
  // Assigned to, not spread: a message may be about no order.
  const told = Object.assign(readTold({ orderId, messageId, kind: row.kind, told: given }), {
    attempt: attempts + 1,
    idempotencyKey: idempotencyKey(name, messageId),
  })
  const written = await editing.write(told, edited)
  if ('mistake' in written) return notEditable(written.mistake)
  const isEdited = edited !== null
  return { kind: 'request', target: name, orderId, messageId, ...written, isEdited, editing }
}

function notEditable(why: string): FoundRequest {
  return { kind: 'not-editable', why }
}

type Row = {
  target: string
  orderId: string
  messageId: string
  kind: string
  attempts: number
  document: string | null
  receivedAt: number | null
  payload: unknown
  createdAt: number
  edited: unknown
}

async function readLetter(db: Db, letterId: string): Promise<Row | undefined> {
  const { rows } = await sql<Row>`
    select l.target, l.order_id as "orderId", l.message_id as "messageId", m.kind, d.attempts,
           o.document::text as document, date_part('epoch', o.received_at) as "receivedAt",
           m.payload, date_part('epoch', m.created_at) as "createdAt", d.edited
      from orderwheel.dead_letters l
      join orderwheel.deliveries d on d.message_id = l.message_id and d.target = l.target
      join orderwheel.messages m on m.id = l.message_id
      left join orderwheel.orders o on o.id = l.order_id
     where l.id = ${letterId}::uuid`.execute(db)
  return rows[0]
}
