import type { Tx } from '#database/open-database.ts'
import type { TargetChange } from '#database/tables.ts'

import { changeTarget } from './change-target.ts'

/** What an operator did to a target. */
export type OperatorChange = {
  target: string
  change: Extract<TargetChange, 'paused' | 'resumed' | 'limits-set'>
  /** For the target's history: what it is now and why, in words. */
  words: string
  who: string
  /** What the operator gave, for the audit log. */
  reason: string | null
  details: object
}

/** Writes down what an operator did, in the target's history and in the audit log. */
export async function recordChange(tx: Tx, made: OperatorChange): Promise<void> {
  const { target, change, words, who, reason, details } = made
  await changeTarget(tx, { target, change, reason: words, who })
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: `target.${change}`,
      subject: target,
      reason,
      details: JSON.stringify(details),
    })
    .execute()
}
