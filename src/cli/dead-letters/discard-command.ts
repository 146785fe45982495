import { defineCommand } from '#cli/command.ts'
import { readReason, requireReason } from '#cli/read-reason.ts'

import { manyIds, manyOptions, manyUsage, refuseVague } from './many-letters.ts'
import { readLetterFilter } from './read-letter-filter.ts'
import { readReplayRate } from './read-replay-rate.ts'
import { replayLetters } from './replay-letters.ts'

export const discard = defineCommand({
  name: 'dead-letters discard',
  summary: 'Gives dead letters up for good, with a reason; what waited for them goes on',
  usage: manyUsage.replace('[--reason <text>]', '--reason <text>'),
  positionals: manyIds,
  options: manyOptions,
  async run({ values, positionals: ids }, context) {
    const command = 'dead-letters discard'
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
