import { readOpenAlerts } from '#alerts/read-open-alerts.ts'
import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import { readOwner } from '#owner/read-owner.ts'
import { readIntake } from '#status/read-intake.ts'
import { readStatus, type TargetStatus } from '#status/read-status.ts'
import { readLastVerification } from '#verify/read-verification.ts'

/** The shop at a glance. Takes some hundredths of a second, however many orders there are. */
export async function readOverview(db: Db, deployment: Deployment) {
  const { at, relay, targets } = await readStatus(db)
  const { delivers, reason } = await readOwner(db, deployment)
  const last = await readLastVerification(db)
  return {
    at,
    delivers,
    deliversReason: reason,
    intake: await readIntake(db),
    relay,
    targets: targets.map(summarize),
    verification: last
      ? {
          lost: last.lost,
          stuck: last.stuck,
          disorders: last.disorders,
          checked: last.checked,
          checkedAt: last.checkedAt,
          full: last.full,
        }
      : null,
    alerts: await readOpenAlerts(db),
  }
}

function summarize({ waiting, queued, active, retrying, ...target }: TargetStatus) {
  return { ...target, open: waiting + queued + active + retrying }
}
