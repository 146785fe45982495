import { mayDeliver, type OwnerFit, willClaim } from '#owner/owner-fit.ts'
import { namelessOwner, sayFit } from '#owner/say-fit.ts'
import { claimOwnership } from '#owner/write-owner.ts'

import type { WorkerDeps } from './worker-deps.ts'

export type OwnerWatch = {
  /** Told each second how the owner marker fits. Answers whether that has just changed: look again. */
  observe(fit: OwnerFit): Promise<boolean>
}

/**
 * Says in the log when this database is not ours to deliver from, when it is again, and when its owner has no name.
 * Becomes the owner where nobody is.
 */
export function watchOwner({ db, log, worker, deployment }: WorkerDeps): OwnerWatch {
  let said = sayFit({ ...deployment, deliver: 'if-owner' }, 'fits')
  let namelessSaid = deployment.environment !== null || deployment.deliver !== 'if-owner'

  function tellNameless() {
    if (namelessSaid) return
    namelessSaid = true
    log.info({ reason: namelessOwner }, 'the owner of this database has no name')
  }

  function tell(fit: OwnerFit) {
    if (fit === 'fits') tellNameless()
    const reason = sayFit(deployment, fit)
    if (reason === said) return
    said = reason
    if (!mayDeliver(deployment, fit))
      log.warn({ reason }, 'nothing is delivered from this database')
    else if (fit !== 'fits') log.warn({ reason }, 'delivering from a database that is not ours')
    else log.info({ reason }, 'delivering again')
  }

  return {
    async observe(fit) {
      if (willClaim(deployment, fit)) {
        await claimOwnership(db, deployment, worker)
        return true
      }
      tell(fit)
      return false
    },
  }
}
