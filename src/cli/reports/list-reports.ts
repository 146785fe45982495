import { printableJson } from '#base/printable.ts'
import { defineCommand } from '#cli/command.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { withDatabase } from '#cli/with-database.ts'
import { type Report, readReports } from '#reports/read-report.ts'

export const listReports = defineCommand({
  name: 'reports list',
  summary: 'The last 50 reports: who asked, how far they are, when they expire',
  usage: '[--json]',
  options: { json: { type: 'boolean', summary: 'For programs' } },
  async run({ values }, { environment, print }) {
    const found = await withDatabase(environment, ({ db }) => readReports(db, { limit: 50 }))
    if (values.json) print(printableJson(found))
    else if (found.length === 0) print('No reports yet: POST /reports asks for one.')
    else print(describe(found))
    return 0
  },
})

function describe(found: readonly Report[]): string {
  const failed = found.find(({ state }) => state === 'failed')
  const hint = failed ? `\n\nWhat became of one that failed: orderwheel message ${failed.id}` : ''
  const head = ['id', 'format', 'from', 'to', 'state', 'orders', 'bytes', 'by', 'at', 'expires']
  const rows = found.map((report) => [
    report.id,
    report.format,
    formatTime(report.from),
    formatTime(report.to),
    report.state,
    report.orders,
    report.bytes,
    report.requestedBy,
    formatTime(report.requestedAt),
    report.expiresAt ? formatTime(report.expiresAt) : '',
  ])
  return `${formatTable([head, ...rows])}${hint}`
}
