import { type Option, usageError } from '#cli/command.ts'
import { reasonOption } from '#cli/read-reason.ts'
import { replayRates } from '#dead-letters/request-replay.ts'

import { letterFilterOptions } from './read-letter-filter.ts'

/** The options of what is done to many letters at once. */
export const manyOptions = {
  ...letterFilterOptions,
  all: { type: 'boolean', summary: 'All that are open' },
  rate: {
    type: 'string',
    value: 'number',
    summary: `So many a second, by all processes together (default ${replayRates.usual})`,
  },
  'dry-run': { type: 'boolean', summary: 'Only shows how many, which, and where they go' },
  reason: reasonOption,
  'no-wait': { type: 'boolean', summary: 'Leaves it to the workers' },
  json: { type: 'boolean', summary: 'For programs' },
} as const satisfies Record<string, Option>

export const manyUsage =
  '[<id> …] [--group <id>] [--target <name>] [--error <text>] [--since <time>] [--until <time>] [--order <id>] [--all] [--rate 20] [--dry-run] [--reason <text>] [--no-wait] [--json]'

// Words on a command line; more are a group.
export const manyIds = { least: 0, most: 1_000, missing: '' }

/** Everything there is has to be meant, not merely not narrowed. */
export function refuseVague(
  command: string,
  ids: readonly string[],
  values: { [Name in keyof typeof letterFilterOptions]?: string } & { all?: boolean },
): void {
  const isNarrowed =
    ids.length > 0 || Object.keys(letterFilterOptions).some((option) => option in values)
  if (isNarrowed && values.all)
    throw usageError(
      command,
      '--all is everything: leave out the ids and the other options, or --all',
    )
  if (!isNarrowed && !values.all)
    throw usageError(command, 'which? Give ids, --group, --target or another option, or say --all')
}
