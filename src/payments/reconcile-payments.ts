import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import type { PaymentGateway } from '#targets/payment/payment-gateway.ts'

import { charge } from './charge.ts'
import { claimPending, hasPending, type Claimed } from './claim-pending.ts'
import { recordLeft, recordSettled, recordUnknown } from './record-charge.ts'

export type ReconcileOptions = {
  db: Db
  gateway: PaymentGateway
  log: Log
  /** Whether this environment may speak to others: from a copy of a database, nobody is charged. */
  mayCharge: () => Promise<boolean>
  /** Called after each commit that added a message; must not throw. */
  outboxChanged: () => void
}

// A gateway that is slow or down must not be given all of a busy hour at once.
const atATime = 10

// Nobody waits for it, and a gateway that took too long for a buyer often takes less than this.
const patientSeconds = 30

/**
 * One pass: asks the gateway about payments of which it is not known whether they were charged, under the key they were
 * charged with, so that it charges once. Answers how many; nothing is locked meanwhile.
 */
export async function reconcilePayments(options: ReconcileOptions): Promise<number> {
  const { db, gateway, mayCharge } = options
  const canLookUp = gateway.lookup !== undefined
  if (!(await hasPending(db, { canLookUp })) || !(await mayCharge())) return 0
  // A lookup, a charge, and writing down what they said.
  const seconds = patientSeconds * 2 + 15
  const claimed = await claimPending(db, { limit: atATime, seconds, canLookUp })
  const ends = await Promise.allSettled(claimed.map((one) => reconcile(options, one)))
  // Written down by nobody: it is asked about again when its claim is over.
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
  return claimed.length
}

async function reconcile(
  { db, gateway, log, outboxChanged }: ReconcileOptions,
  toCharge: Claimed,
): Promise<void> {
  const { orderId } = toCharge
  const left = whyLeft(gateway, toCharge)
  if (left !== undefined) {
    log.warn({ orderId, reason: left }, 'payment not known, left to a person')
    return recordLeft(db, toCharge, left)
  }
  const result = await charge(gateway, toCharge, { seconds: patientSeconds, lookFirst: true })
  switch (result.kind) {
    case 'approved':
    case 'declined': {
      const { told, contradicted } = await recordSettled(db, { orderId, settled: result })
      if (contradicted) log.error({ orderId, reason: contradicted }, 'charged, but was declined')
      log.info({ orderId, state: result.kind }, 'payment is known now')
      if (told) outboxChanged()
      return
    }
    // That this request charged nothing says nothing of those before.
    case 'not-charged':
    case 'uncertain':
      log.warn({ orderId, reason: result.reason }, 'payment not known, asking again')
      return recordUnknown(db, toCharge, result.reason)
    default:
      return result satisfies never
  }
}

// Asking without a lookup charges what was not charged yet.
function whyLeft({ lookup }: PaymentGateway, { cancelled, isOld }: Claimed): string | undefined {
  if (lookup) return undefined
  if (cancelled) return 'not asked any more: the order was cancelled, and asking would charge it'
  return isOld ? 'not asked any more: after a day the gateway may charge again' : undefined
}
