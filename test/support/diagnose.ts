import { onlyDeployment } from '#base/deployment.ts'
import type { Finding, FindingKind } from '#doctor/finding.ts'
import { runDoctor, type DoctorOptions, type DoctorReport } from '#doctor/run-doctor.ts'

import type { TestDatabase } from './test-database.ts'

/** What the doctor says of a test's database; not that the tests' server runs without durability, as it does. */
export async function diagnose(
  { connection }: Pick<TestDatabase, 'connection'>,
  options: Partial<DoctorOptions> = {},
): Promise<DoctorReport> {
  const report = await runDoctor({
    database: connection,
    directDatabase: undefined,
    poolSize: 10,
    deployment: onlyDeployment,
    targets: [],
    routes: {},
    ...options,
  })
  return { ...report, findings: report.findings.filter(({ kind }) => kind !== 'unsafe-setting') }
}

/** The findings of one kind; fails when there are none, or others beside them. */
export async function findOnly(
  database: Pick<TestDatabase, 'connection'>,
  kind: FindingKind,
  options: Partial<DoctorOptions> = {},
): Promise<Finding[]> {
  const { findings } = await diagnose(database, options)
  const others = findings.filter((finding) => finding.kind !== kind)
  if (others.length > 0) throw new Error(`Unexpected: ${JSON.stringify(others, null, 2)}`)
  if (findings.length === 0) throw new Error(`There is no finding ${kind}.`)
  return findings
}
