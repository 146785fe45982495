import { defineCommand, usageError } from '#cli/command.ts'
import { readReason } from '#cli/read-reason.ts'

import { letEdit } from './edit-letter.ts'
import { manyIds, manyOptions, manyUsage, refuseVague } from './many-letters.ts'
import { readLetterFilter } from './read-letter-filter.ts'
import { readReplayRate } from './read-replay-rate.ts'
import { replayLetters, type ReplayLetters } from './replay-letters.ts'

export const replay = defineCommand({
  name: 'dead-letters replay',
  summary: 'Gives dead letters a job again: the mapping is the current configuration’s',
  usage: `${manyUsage} [--shed] [--edit | --edit-file <file>]`,
  positionals: manyIds,
  options: {
    ...manyOptions,
    edit: { type: 'boolean', summary: 'Opens what is sent for one letter in $EDITOR first' },
    shed: {
      type: 'boolean',
      summary:
        'What droppable targets were not told because too much was open (of the last 30 days, without --since)',
    },
    'edit-file': {
      type: 'string',
      value: 'file',
      summary: 'Sends what is in this file instead; - is standard input',
    },
  },
  async run({ values, positionals: ids }, context) {
    const command = 'dead-letters replay'
    if (values.shed) refuseOfLetters(command, ids, values)
    else refuseVague(command, ids, values)
    const given: ReplayLetters = {
      action: 'replay',
      filter: readShed(readLetterFilter(command, ids, values), values.shed),
      ratePerSecond: readReplayRate(command, values.rate),
      reason: readReason(command, values.reason),
      dryRun: values['dry-run'] ?? false,
      wait: !values['no-wait'],
      json: values.json ?? false,
    }
    const { edit, 'edit-file': file } = values
    if (!edit && file === undefined) return replayLetters(given, context)
    const written = await letEdit({ ...given, command, ids, edit, file }, context)
    return written ? replayLetters({ ...given, edit: written }, context) : 1
  },
})

function refuseOfLetters(command: string, ids: readonly string[], values: object): void {
  const wrong = ['group', 'error', 'all', 'edit', 'edit-file'].find((option) => option in values)
  if (wrong === undefined && ids.length === 0) return
  throw usageError(
    command,
    `--shed takes --target, --order, --since and --until, not ${wrong === undefined ? 'ids' : `--${wrong}`}`,
  )
}

function readShed(
  read: ReplayLetters['filter'],
  shed: boolean | undefined,
): ReplayLetters['filter'] {
  return async (db) => ({ ...(await read(db)), ...(shed ? { shed } : {}) })
}
