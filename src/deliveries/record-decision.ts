import type { Tx } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'

import type { Decision, DecisionRequest } from './decision.ts'
import type { Released } from './release-order.ts'

const actionOf: Readonly<Record<Decision, string>> = {
  'mark-delivered': 'delivery.marked-delivered',
  'try-again': 'delivery.tried-again',
  skip: 'delivery.skipped',
}

/** Writes a decision about a delivery into the audit log; its subject is the order. */
export async function recordDecision(
  tx: Tx,
  { messageId, target, decision, who, reason }: DecisionRequest,
  made: { orderId: string; before: DeliveryState; after: DeliveryState; released: Released[] },
): Promise<void> {
  const { orderId, before, after, released } = made
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: actionOf[decision],
      subject: orderId,
      reason,
      details: JSON.stringify({ target, messageId, before, after, released }),
    })
    .execute()
}
