import type { Log } from '#base/log.ts'
import { repeatPass } from '#base/repeat-pass.ts'
import type { Db } from '#database/open-database.ts'
import { forgetOldChanges } from '#limits/forget-old-changes.ts'
import { forgetOldReports } from '#reports/forget-old-reports.ts'

import { addMonths } from './add-months.ts'
import { deleteOldOrders } from './delete-old-orders.ts'
import { dropMonths } from './drop-months.ts'
import { forgetOldLetters } from './forget-old-letters.ts'
import { forgetOldRecords, forgetOldReplays } from './forget-old-rows.ts'

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
// Whether a month may go is found out by reading all of it.
const monthsEveryMs = 86_400_000

/**
 * Adds the partitions of the coming months and deletes what the retention no longer keeps: now, and every ten
 * minutes; months once a day. Several processes may do so at once.
 */
export function startUpkeep(deps: UpkeepDeps): Upkeep {
  const stopping = new AbortController()
  const tasks = listTasks(deps, stopping.signal)
  // One that fails keeps none of the others from being done.
  const pass = async () => {
    for (const task of tasks) {
      if (stopping.signal.aborted) return
      await task().catch((error: unknown) => {
        deps.log.warn({ err: error }, 'upkeep failed, trying again')
      })
    }
  }
  const upkeep = repeatPass(pass, { everyMs, onError: () => {} })
  upkeep.runNow()
  return {
    stop() {
      stopping.abort()
      return upkeep.stop()
    },
  }
}

type UpkeepDeps = { db: Db; log: Log; retention: Retention }

function listTasks(
  { db, log, retention }: UpkeepDeps,
  signal: AbortSignal,
): (() => Promise<void>)[] {
  const { ordersDays, historyMonths, auditDays, replaysDays, changesDays } = retention
  let monthsAt = -Infinity
  return [
    async () => {
      const partitions = await addMonths(db)
      if (partitions.length > 0) log.info({ partitions }, 'partitions added')
    },
    async () => {
      if (historyMonths === null || performance.now() - monthsAt < monthsEveryMs) return
      for (const month of await dropMonths(db, historyMonths)) {
        if (month.kind === 'dropped') log.info({ until: month.until }, 'history dropped')
        else
          log.warn(
            { until: month.until, reason: month.reason },
            'history kept beyond its retention',
          )
      }
      monthsAt = performance.now()
    },
    async () => {
      if (ordersDays === null) return
      const orders = await deleteOldOrders(db, { days: ordersDays, signal })
      if (orders > 0) log.info({ orders }, 'old orders deleted')
    },
    async () => {
      const letters = await forgetOldLetters(db, signal)
      if (letters > 0) log.info({ letters }, 'closed dead letters deleted')
    },
    async () => {
      const reports = await forgetOldReports(db, signal)
      if (reports > 0) log.info({ reports }, 'files of expired reports deleted')
    },
    async () => {
      if (changesDays !== null) await forgetOldChanges(db, changesDays)
    },
    async () => {
      if (replaysDays !== null) await forgetOldReplays(db, replaysDays)
    },
    async () => {
      if (auditDays !== null) await forgetOldRecords(db, auditDays)
    },
  ]
}
