import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'
import type { Boss } from '#queues/open-boss.ts'

import type { NamedFinding } from './finding.ts'
import { lookAgain } from './look-again.ts'
import { closeLetter, recreateLetter } from './repair-letter.ts'
import { deleteJob, recreateJob } from './repair-job.ts'
import { releaseHeld } from './repair-held.ts'
import { recreateDelivery } from './repair-delivery.ts'
import { releaseDelivery } from './repair-waiting.ts'
import { placeAgain } from './repair-order.ts'
import { lockSubject } from './lock-subject.ts'

export type RepairDeps = {
  db: Db
  boss: Boss
  /** What a target of the configuration comes after; undefined: there is no such target. */
  afterOf: (target: string) => readonly string[] | undefined
  who: string
}

/** What a repair did. `targets` got jobs. Null: it cannot be mended safely, a person has to look. */
export type Mended = {
  action: string
  before: unknown
  after: unknown
  targets?: readonly string[]
} | null

export type Repaired =
  | { kind: 'mended'; action: string }
  /** It was not there any more: somebody else mended it, or it mended itself. */
  | { kind: 'gone' }
  | { kind: 'for-a-person' }

/**
 * Mends one finding in a transaction of its own, with a row in the audit log, if it is still there under the locks that
 * everybody takes. Doing it twice, or two at once, changes nothing more.
 */
export async function repairFinding(deps: RepairDeps, finding: NamedFinding): Promise<Repaired> {
  const { repaired, targets } = await deps.db.transaction().execute(async (tx) => {
    await lockSubject(tx, finding)
    if ((await lookAgain(tx, [finding])).length === 0) return none({ kind: 'gone' })
    const mended = await mend(tx, deps, finding)
    if (!mended) return none({ kind: 'for-a-person' })
    await record(tx, deps.who, { finding, mended })
    const repaired = { kind: 'mended', action: mended.action } as const
    return { repaired, targets: mended.targets ?? [] }
  })
  if (targets.length > 0) await notifyOnce(deps.db, 'orderwheel_jobs', [...targets])
  return repaired
}

function none(repaired: Repaired) {
  return { repaired, targets: [] }
}

async function mend(tx: Tx, deps: RepairDeps, finding: NamedFinding): Promise<Mended> {
  switch (finding.kind) {
    case 'order-without-message':
      return placeAgain(tx, finding)
    case 'delivery-missing':
      return recreateDelivery(tx, deps, finding)
    case 'job-missing':
      return recreateJob(tx, deps, finding)
    case 'letter-missing':
      return recreateLetter(tx, finding)
    case 'letter-without-death':
      return closeLetter(tx, deps, finding)
    case 'waiting-for-nothing':
    case 'not-awaited':
      return releaseDelivery(tx, deps, finding)
    case 'message-late':
      return releaseHeld(tx, finding)
    case 'job-without-delivery':
      return deleteJob(tx, deps, finding)
    case 'message-missing':
    case 'attempt-missing':
    case 'delivery-not-routed':
    case 'message-refused':
    case 'payment-unknown':
    case 'job-silent':
    case 'job-overtaken':
    case 'target-idle':
      return null
    default:
      return finding.kind satisfies never
  }
}

async function record(
  tx: Tx,
  who: string,
  { finding, mended }: { finding: NamedFinding; mended: NonNullable<Mended> },
): Promise<void> {
  const { kind, target, orderId, messageId } = finding
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: mended.action,
      subject: orderId ?? messageId ?? '',
      reason: `orderwheel verify --repair: ${kind}`,
      details: JSON.stringify({
        finding: kind,
        target,
        messageId,
        before: mended.before,
        after: mended.after,
      }),
    })
    .execute()
}
