import { Type, type Static } from 'typebox'

import { NoOrder } from './no-order.ts'
import { giveUp } from './outcome.ts'
import { kindOfTarget, type FromEnvironment, type TargetDefinition } from './target-kind.ts'
import { commonOptions, fillTargetOptions } from './target-options.ts'

const AuditOptions = Type.Object({ ...commonOptions }, { additionalProperties: false })

export type AuditOptions = FromEnvironment<Static<typeof AuditOptions>>

/**
 * Enters what it is told in `orderwheel.audit_chain`, once, in the transaction that settles the delivery: see
 * docs/audit-log.md. `orderwheel audit verify` proves that nobody touched it since.
 */
export function audit(options: AuditOptions = {}): TargetDefinition {
  return { kind: 'audit', options }
}

// Nothing is called, so that these are no calls at a time but deliveries settled together; and the database that would
// fail is the one that counts failures.
export const auditUsual = { concurrency: 200, circuit: false } as const

export const auditKind = kindOfTarget({
  schema: AuditOptions,
  findMistakes: () => [],
  create(name, options) {
    return {
      ...fillTargetOptions({ ...auditUsual, ...options }),
      name,
      kind: 'audit',
      call: async ({ message }) =>
        // What is entered is what was told of an order, and forgotten with it.
        message.orderId === null
          ? giveUp(new NoOrder(message).message)
          : { kind: 'delivered', enter: true },
      close: async () => {},
    }
  },
})
