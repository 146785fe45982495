import { printable, printableJson } from '#base/printable.ts'
import { defineCommand } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { isUuid } from '#cli/orders/read-story.ts'
import { readReason, reasonOption } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { deleteReport } from '#reports/delete-report.ts'

const name = 'reports delete'

export const deleteReportCommand = defineCommand({
  name,
  summary: 'Deletes the file of a report, at once; one that is not ready is made no more',
  usage: '<id> [--reason <text>] [--json]',
  positionals: { least: 1, most: 1, missing: 'which report? Give its id' },
  options: {
    reason: reasonOption,
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values, positionals: [id = ''] }, { environment, print, warn }) {
    const reason = readReason(name, values.reason)
    const deleted = await withDatabase(environment, async ({ db }) =>
      isUuid(id) ? deleteReport(db, { id, who: operator(), reason }) : undefined,
    )
    if (deleted === undefined) {
      warn(printable(`There is no report ${id}: orderwheel reports lists them.`))
      return 1
    }
    if (values.json) print(printableJson({ id, deleted }))
    else if (deleted === 'before') print(`Report ${id} was deleted before.`)
    else print(`Report ${id} is deleted.`)
    return 0
  },
})
