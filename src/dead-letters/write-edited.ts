import { hash } from 'node:crypto'

import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'

import type { LetterRequest } from './read-request.ts'

export type EditRequest = {
  letterId: string
  /** What would have been sent. */
  request: Pick<LetterRequest, 'target' | 'orderId' | 'messageId' | 'text'>
  /** What the operator made of it, and what its target's `editing.read` made of that. */
  text: string
  edited: object
  who: string
  reason: string | null
}

/**
 * Keeps what an operator wrote with the letter: it is sent instead of what the configuration makes of the order, at
 * every attempt, by whatever gives the delivery a job again. If it dies of that, the next letter is another one. That
 * it was written goes to the audit log, in the order's story. False: the letter is not open any more.
 */
export async function writeEdited(tx: Tx, edit: EditRequest): Promise<boolean> {
  const { letterId, request, text, edited, who, reason } = edit
  const { numAffectedRows } = await sql`
    update orderwheel.deliveries d set edited = ${JSON.stringify(edited)}::jsonb, edited_for = l.id
      from orderwheel.dead_letters l
     where l.id = ${letterId}::uuid and l.resolved_at is null
       and d.message_id = l.message_id and d.target = l.target and d.state = 'dead'`.execute(tx)
  if (numAffectedRows !== 1n) return false
  const { target, messageId, orderId } = request
  const details = {
    target,
    messageId,
    letterId,
    before: proofOf(request.text),
    after: proofOf(text),
  }
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: 'delivery.edited',
      subject: orderId,
      reason,
      details: JSON.stringify(details),
    })
    .execute()
  return true
}

// Not the text, which names people: the audit log is kept for longer than the order. Who has it can prove what it was.
function proofOf(text: string): { length: number; sha256: string } {
  return { length: text.length, sha256: hash('sha256', text) }
}
