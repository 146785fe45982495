/** The tables that are partitioned by month, in the order in which everybody locks them. */
export const historyTables = ['messages', 'deliveries', 'delivery_attempts'] as const

export type HistoryTable = (typeof historyTables)[number]

/** The first moment, in UTC, of the month that `date` is in, or of one `months` later. */
export function monthStart(date: Date, months: number): Date {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months))
}

/** `2026_11`, as in a partition's name. */
export function monthName(month: Date): string {
  return month.toISOString().slice(0, 7).replace('-', '_')
}
