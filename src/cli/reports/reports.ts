import { groupCommands } from '#cli/command-group.ts'

import { deleteReportCommand } from './delete-report.ts'
import { listReports } from './list-reports.ts'

export const reports = groupCommands({
  name: 'reports',
  summary: 'Lists the last reports: who asked, how far they are, when they expire; and deletes one',
  actions: { list: listReports, delete: deleteReportCommand },
})
