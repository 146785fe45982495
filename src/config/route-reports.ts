import type { Routes } from '#messages/message-kinds.ts'
import { reportRequested } from '#messages/report-request.ts'
import { reportsTargetName } from '#targets/reports-target.ts'

/** The routes, with what the target `reports` is told of. */
export function routeReports(routes: Routes): Routes {
  return { ...routes, [reportRequested]: [reportsTargetName] }
}
