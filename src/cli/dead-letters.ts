import { replayRates } from '#dead-letters/request-replay.ts'

import { defineCommand, type Option, usageError } from './command.ts'
import { groupCommands } from './command-group.ts'
import { groups } from './group-letters.ts'
import { hold, release } from './hold-letters.ts'
import { list } from './list-letters.ts'
import { letterFilterOptions, readLetterFilter } from './read-letter-filter.ts'
import { readReason, reasonOption, requireReason } from './read-reason.ts'
import { readReplayRate } from './read-replay-rate.ts'
import { replayLetters } from './replay-letters.ts'
import { show } from './show-letter.ts'

const name = 'dead-letters'

const bulkOptions = {
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

const usage =
  '[<id> …] [--group <id>] [--target <name>] [--error <text>] [--since <time>] [--until <time>] [--order <id>] [--all] [--rate 20] [--dry-run] [--reason <text>] [--no-wait] [--json]'

// Words on a command line; more are a group.
const positionals = { least: 0, most: 1_000, missing: '' }

const replay = defineCommand({
  name: `${name} replay`,
  summary: 'Gives dead letters a job again: the mapping is the current configuration’s',
  usage,
  positionals,
  options: bulkOptions,
  async run({ values, positionals: ids }, context) {
    const command = `${name} replay`
    refuseVague(command, ids, values)
    return replayLetters(
      {
        action: 'replay',
        filter: readLetterFilter(command, ids, values),
        ratePerSecond: readReplayRate(command, values.rate),
        reason: readReason(command, values.reason),
        dryRun: values['dry-run'] ?? false,
        wait: !values['no-wait'],
        json: values.json ?? false,
      },
      context,
    )
  },
})

const discard = defineCommand({
  name: `${name} discard`,
  summary: 'Gives dead letters up for good, with a reason; what waited for them goes on',
  usage: usage.replace('[--reason <text>]', '--reason <text>'),
  positionals,
  options: bulkOptions,
  async run({ values, positionals: ids }, context) {
    const command = `${name} discard`
    refuseVague(command, ids, values)
    const dryRun = values['dry-run'] ?? false
    return replayLetters(
      {
        action: 'discard',
        filter: readLetterFilter(command, ids, values),
        ratePerSecond: readReplayRate(command, values.rate),
        reason: dryRun
          ? readReason(command, values.reason)
          : requireReason(command, values.reason, 'test orders'),
        dryRun,
        wait: !values['no-wait'],
        json: values.json ?? false,
      },
      context,
    )
  },
})

export const deadLetters = groupCommands({
  name,
  summary: 'Deliveries that were given up: lists, replays or discards them',
  actions: { list, show, groups, replay, discard, hold, release },
})

/** Everything there is has to be meant, not merely not narrowed. */
function refuseVague(
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
