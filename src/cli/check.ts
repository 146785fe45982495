import { loadConfig } from '#config/load-config.ts'
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
    print(`${environment.configFile} is fine: ${targets.length} targets.`)
    return 0
  },
})

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
