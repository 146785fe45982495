import type { ReportFormat } from '#messages/report-request.ts'

import type { ReportedOrder } from './read-orders.ts'
import type { Period } from './received-within.ts'
import type { Sum } from './sum-orders.ts'
import { writeCsv } from './write-csv.ts'
import { writePdf } from './write-pdf.ts'

/** A file in the making. Keeps nothing of what it has answered: the next bytes of the file. */
export type ReportWriter = {
  begin(): Uint8Array
  add(orders: readonly ReportedOrder[]): Uint8Array
  end(sums: readonly Sum[]): Uint8Array
}

export type ReportTitle = Period & { requestedAt: Date }

export const writers: Record<ReportFormat, (title: ReportTitle) => ReportWriter> = {
  csv: writeCsv,
  pdf: writePdf,
}
