import type { Log } from '#base/log.ts'
import { repeatPass } from '#base/repeat-pass.ts'
import type { Db } from '#database/open-database.ts'
import type { IntakeLimits } from '#messages/intake-limits.ts'

import { type AlertKind, alertKinds } from './alert-kinds.ts'
import { type AlertAddress, hasUntold, tellAlerts } from './tell-alerts.ts'
import { type Delivering, watchOwner } from './watch-owner.ts'
import { watchShop } from './watch-shop.ts'

export type AlertingOptions = {
  db: Db
  log: Log
  /** Null: nobody is told; alerts are in their table and in /metrics all the same. */
  address: AlertAddress | null
  /** Whether this environment delivers from this database. Asked at each look, and before anybody is told. */
  delivering: () => Promise<Delivering>
  /** Of the configuration: from when on orders are refused. */
  intake?: IntakeLimits
  /** Default 60. */
  watchSeconds?: number
  /** Default 10. */
  tellSeconds?: number
}

/** Looks for what alerts are about, and tells those that were raised, by whatever process. */
export function startAlerting(options: AlertingOptions): { stop(): Promise<void> } {
  const { db, log, address, delivering, watchSeconds = 60, tellSeconds = 10 } = options
  const onError = (error: unknown) =>
    log.warn({ err: error }, 'alerts cannot be looked after, trying again')
  const watch = async () => {
    await watchOwner(db, await delivering())
    await watchShop(db, options.intake)
  }
  const watching = repeatPass(watch, { everyMs: watchSeconds * 1_000, onError })
  const tell = async (to: AlertAddress) => {
    if (!(await hasUntold(db))) return
    const { failures } = await tellAlerts(db, to, toBeTold(await delivering()))
    for (const reason of failures) log.warn({ reason }, 'alert cannot be told, trying again')
  }
  const telling =
    address && repeatPass(() => tell(address), { everyMs: tellSeconds * 1_000, onError })
  return {
    async stop() {
      await Promise.all([watching.stop(), telling?.stop()])
    },
  }
}

// A copy is not to speak for its original, but somebody has to hear of an original that takes itself for a copy.
function toBeTold({ delivers, waitsByDesign }: Delivering): readonly AlertKind[] {
  if (delivers) return alertKinds
  return waitsByDesign ? [] : ['owner']
}
