import { defineCommand } from '#cli/command.ts'
import { readReason } from '#cli/read-reason.ts'

import { letEdit } from './edit-letter.ts'
import { manyIds, manyOptions, manyUsage, refuseVague } from './many-letters.ts'
import { readLetterFilter } from './read-letter-filter.ts'
import { readReplayRate } from './read-replay-rate.ts'
import { replayLetters, type ReplayLetters } from './replay-letters.ts'

export const replay = defineCommand({
  name: 'dead-letters replay',
  summary: 'Gives dead letters a job again: the mapping is the current configuration’s',
  usage: `${manyUsage} [--edit | --edit-file <file>]`,
  positionals: manyIds,
  options: {
    ...manyOptions,
    edit: { type: 'boolean', summary: 'Opens what is sent for one letter in $EDITOR first' },
    'edit-file': {
      type: 'string',
      value: 'file',
      summary: 'Sends what is in this file instead; - is standard input',
    },
  },
  async run({ values, positionals: ids }, context) {
    const command = 'dead-letters replay'
    refuseVague(command, ids, values)
    const given: ReplayLetters = {
      action: 'replay',
      filter: readLetterFilter(command, ids, values),
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
