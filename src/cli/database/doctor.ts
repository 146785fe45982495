import { databaseOf } from '#base/environment.ts'
import type { Variables } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import { printableJson } from '#base/printable.ts'
import { defineCommand } from '#cli/command.ts'
import { loadConfig } from '#config/load-config.ts'
import { outlineConfig } from '#config/outline-config.ts'
import { runDoctor } from '#doctor/run-doctor.ts'

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
    const report = await runDoctor({
      database,
      directDatabase,
      poolSize: databasePoolSize,
      deployment,
      ...(await readConfig(path, variables)),
    })
    print(values.json ? printableJson(report) : describeDiagnosis(report))
    return report.findings.length === 0 ? 0 : 1
  },
})

/** The secrets of the configuration may be where the processes run, and not where the doctor does: it needs none. */
async function readConfig(path: string, environment: Variables) {
  try {
    const { targets, routes, intake } = await loadConfig({ path, environment })
    await Promise.all(targets.map((target) => target.close()))
    return { targets, routes, intake }
  } catch (error) {
    if (!(error instanceof OrderwheelError)) throw error
    const outline = await outlineConfig({ path, environment })
    if (outline) return outline
    const [first = ''] = error.message.split('\n')
    const unconfigured = `${first.replace(/:$/, '')}; "orderwheel check" says more`
    return { targets: [], routes: {}, unconfigured }
  }
}
