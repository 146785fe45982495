import type { Log } from '#base/log.ts'
import { repeatPass } from '#base/repeat-pass.ts'
import type { Db } from '#database/open-database.ts'
import { forgetOldChanges } from '#limits/forget-old-changes.ts'

import { addMonths } from './add-months.ts'
import { deleteOldOrders } from './delete-old-orders.ts'
import { dropMonths } from './drop-months.ts'
import { forgetOldLetters } from './forget-old-letters.ts'
import { forgetOldRows } from './forget-old-rows.ts'

/** For how long each table is kept; null: for good. */
export type Retention = {
  /** Orders, with everything that happened to them. */
  ordersDays: number | null
  /** Messages, deliveries and attempts: whole months. */
  historyMonths: number | null
  auditDays: number | null
  replaysDays: number | null
  changesDays: number | null
}

export type Upkeep = { stop(): Promise<void> }

const everyMs = 600_000

/**
 * Adds the partitions of the coming months and deletes what the retention no longer keeps: now, and every ten
 * minutes. Several processes may do so at once.
 */
export function startUpkeep(deps: { db: Db; log: Log; retention: Retention }): Upkeep {
  const stopping = new AbortController()
  const pass = () => upkeepPass(deps, stopping.signal)
  const onError = (error: unknown) => deps.log.warn({ err: error }, 'upkeep failed, trying again')
  const upkeep = repeatPass(pass, { everyMs, onError })
  upkeep.runNow()
  return {
    stop() {
      stopping.abort()
      return upkeep.stop()
    },
  }
}

async function upkeepPass(
  { db, log, retention }: { db: Db; log: Log; retention: Retention },
  signal: AbortSignal,
): Promise<void> {
  const { ordersDays, historyMonths, auditDays, replaysDays, changesDays } = retention
  const partitions = await addMonths(db)
  if (partitions.length > 0) log.info({ partitions }, 'partitions added')
  if (historyMonths !== null) {
    for (const month of await dropMonths(db, historyMonths)) {
      if (month.kind === 'dropped') log.info({ until: month.until }, 'history dropped')
      else
        log.warn({ until: month.until, reason: month.reason }, 'history kept beyond its retention')
    }
  }
  if (ordersDays !== null) {
    const orders = await deleteOldOrders(db, { days: ordersDays, signal })
    if (orders > 0) log.info({ orders }, 'old orders deleted')
  }
  const letters = await forgetOldLetters(db, signal)
  if (letters > 0) log.info({ letters }, 'closed dead letters deleted')
  if (changesDays !== null) await forgetOldChanges(db, changesDays)
  if (replaysDays !== null) await forgetOldRows(db, { table: 'replays', days: replaysDays })
  if (auditDays !== null) await forgetOldRows(db, { table: 'audit_log', days: auditDays })
}
