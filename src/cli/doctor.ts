import { databaseOf } from '#base/environment.ts'
import { printableJson } from '#base/printable.ts'
import { loadConfig } from '#config/load-config.ts'
import { runDoctor } from '#doctor/run-doctor.ts'

import { defineCommand } from './command.ts'
import { describeDiagnosis } from './describe-diagnosis.ts'

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Looks at a live database and says what is wrong with it, and what mends it',
  usage: '[--json]',
  options: { json: { type: 'boolean', summary: 'For programs' } },
  async run({ values }, { environment, print }) {
    const database = databaseOf(environment)
    const {
      configFile: path,
      variables,
      directDatabase,
      databasePoolSize,
      deployment,
    } = environment
    const { targets, routes } = await loadConfig({ path, environment: variables })
    await Promise.all(targets.map((target) => target.close()))
    const report = await runDoctor({
      database,
      directDatabase,
      poolSize: databasePoolSize,
      deployment,
      targets,
      routes,
    })
    print(values.json ? printableJson(report) : describeDiagnosis(report))
    return report.findings.length === 0 ? 0 : 1
  },
})
