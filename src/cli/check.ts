import type { Variables } from '#base/environment.ts'
import { describeTargets } from '#config/describe-targets.ts'
import { listEnvironment, type EnvironmentVariable } from '#config/list-environment.ts'
import { importDefinition, loadConfig } from '#config/load-config.ts'
import { findCutShort } from '#deliveries/stop-deadline.ts'

import { defineCommand } from './command.ts'

export const check = defineCommand({
  name: 'check',
  summary: 'Validates the configuration without starting anything',
  usage: '[--verbose]',
  options: {
    verbose: {
      type: 'boolean',
      summary: 'Shows every target with its options, and every variable the file names',
    },
  },
  async run({ values }, { environment, print }) {
    const { configFile: path, variables } = environment
    // First, and whatever is wrong with it: it shows what a mistake is about.
    if (values.verbose) describeDefinition(await importDefinition(path), variables, print)
    const { targets, routes } = await loadConfig({ path, environment: variables })
    await Promise.all(targets.map((target) => target.close()))
    if (!values.verbose) for (const { name, kind } of targets) print(`${name} (${kind})`)
    for (const [kind, told] of Object.entries(routes)) print(`${kind} → ${told.join(', ')}`)
    for (const { reason } of findCutShort(targets, environment.stopSeconds))
      print(`Hint: ${reason}.`)
    print(`${path} is fine: ${targets.length} targets.`)
    return 0
  },
})

function describeDefinition(
  definition: unknown,
  variables: Variables,
  print: (line: string) => void,
): void {
  for (const { name, kind, options } of describeTargets(definition, variables)) {
    print(`${name} (${kind})`)
    for (const [option, value] of Object.entries(options)) print(`  ${option.padEnd(16)}${value}`)
  }
  for (const variable of listEnvironment(definition)) print(describeVariable(variable, variables))
}

/** Whether it is set, never to what: it may be a secret. */
function describeVariable(
  { variable, default: value, description }: EnvironmentVariable,
  variables: Variables,
): string {
  const unset = value === undefined ? 'not set' : `not set, default ${JSON.stringify(value)}`
  const from = variables[variable] ? 'set' : unset
  return `${variable}: ${from}${description === undefined ? '' : ` (${description})`}`
}
