import type { Variables } from '#base/environment.ts'
import { listEnvironment, type EnvironmentVariable } from '#config/list-environment.ts'
import { importDefinition, loadConfig } from '#config/load-config.ts'
import type { Target } from '#targets/target.ts'

import { defineCommand } from './command.ts'

export const check = defineCommand({
  name: 'check',
  summary: 'Validates the configuration without starting anything',
  usage: '[--verbose]',
  options: {
    verbose: { type: 'boolean', summary: 'Shows every target with its options, defaults included' },
  },
  async run({ values }, { environment, print }) {
    const config = await loadConfig({
      path: environment.configFile,
      environment: environment.variables,
    })
    const { targets, routes } = config
    await Promise.all(targets.map((target) => target.close()))
    for (const target of targets)
      print(values.verbose ? describe(target) : `${target.name} (${target.kind})`)
    for (const [kind, told] of Object.entries(routes)) print(`${kind} → ${told.join(', ')}`)
    if (values.verbose) {
      const named = listEnvironment(await importDefinition(environment.configFile))
      for (const variable of named) print(describeVariable(variable, environment.variables))
    }
    print(`${environment.configFile} is fine: ${targets.length} targets.`)
    return 0
  },
})

/** Where its value comes from, never the value: it may be a secret. */
function describeVariable(
  { variable, default: value, description }: EnvironmentVariable,
  variables: Variables,
): string {
  const from = variables[variable] ? 'set' : `default ${JSON.stringify(value ?? '')}`
  return `${variable}: ${from}${description === undefined ? '' : ` (${description})`}`
}

function describe({ name, kind, after, timeoutSeconds, concurrency, idempotent, retry }: Target) {
  const { attempts, delaySeconds, maxDelaySeconds } = retry
  return [
    `${name} (${kind})`,
    `  after           ${after.join(', ') || '-'}`,
    `  timeoutSeconds  ${timeoutSeconds}`,
    `  concurrency     ${concurrency}`,
    `  idempotent      ${idempotent}`,
    `  retry           attempts ${attempts}, delaySeconds ${delaySeconds}, maxDelaySeconds ${maxDelaySeconds}`,
  ].join('\n')
}
