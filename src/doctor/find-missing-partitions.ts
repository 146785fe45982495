import { sql } from 'kysely'

import { historyTables, monthName, monthStart } from '#upkeep/history-tables.ts'
import { readPartitions, type Partition } from '#upkeep/read-partitions.ts'

import type { Examination } from './examination.ts'
import type { Finding } from './finding.ts'

export const missingPartitions: Examination = {
  subject: 'partitions of the history for the coming months',
  async examine({ db }) {
    const partitions = await readPartitions(db)
    const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db)
    const now = rows[0]?.now ?? new Date()
    return { findings: historyTables.flatMap((table) => examineTable(table, partitions, now)) }
  },
}

// Processes keep three ahead: one less means that none has added any for a month.
const monthsAhead = 2

function examineTable(
  table: Partition['table'],
  partitions: readonly Partition[],
  now: Date,
): Finding[] {
  const ends = partitions.filter((one) => one.table === table).map(({ until }) => until.getTime())
  // The oldest may hold several months: all that there was when history was first kept in months.
  const oldest = ends[0] ?? -Infinity
  const months = Array.from({ length: monthsAhead + 1 }, (_, ahead) => monthStart(now, ahead))
  const missing = months.filter((month) => {
    const end = monthStart(month, 1).getTime()
    return end > oldest && !ends.includes(end)
  })
  if (missing.length === 0) return []
  const isSoon = missing.some((month) => month <= monthStart(now, 1))
  return [
    {
      kind: 'partitions-missing',
      severity: isSoon ? 'error' : 'warning',
      what: `orderwheel.${table} has no partition for ${missing.map(monthName).join(', ')}.`,
      why: 'From the first moment of such a month on no message can be relayed, nor any delivery written down.',
      fix: 'Start a worker: it adds them at once and every ten minutes. If one runs, its log says "upkeep failed"; its role has to own the tables: alter table … owner to …',
    },
  ]
}
