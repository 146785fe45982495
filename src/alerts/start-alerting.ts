import type { Log } from '#base/log.ts'
import { repeatPass } from '#base/repeat-pass.ts'
import type { Db } from '#database/open-database.ts'

import { type AlertAddress, hasUntold, tellAlerts } from './tell-alerts.ts'
import { watchShop } from './watch-shop.ts'

export type AlertingOptions = {
  db: Db
  log: Log
  /** Null: nobody is told; alerts are in their table and in /metrics all the same. */
  address: AlertAddress | null
  /** Whether this environment may speak to others: on a copy of a database, nobody is to be told. */
  mayTell: () => Promise<boolean>
  /** Default 60. */
  watchSeconds?: number
  /** Default 10. */
  tellSeconds?: number
}

/** Looks for what alerts are about, and tells those that were raised, by whatever process. */
export function startAlerting(options: AlertingOptions): { stop(): Promise<void> } {
  const { db, log, address, mayTell, watchSeconds = 60, tellSeconds = 10 } = options
  const onError = (error: unknown) =>
    log.warn({ err: error }, 'alerts cannot be looked after, trying again')
  const watching = repeatPass(() => watchShop(db), { everyMs: watchSeconds * 1_000, onError })
  const tell = async (to: AlertAddress) => {
    if (!(await hasUntold(db)) || !(await mayTell())) return
    const { failures } = await tellAlerts(db, to)
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
