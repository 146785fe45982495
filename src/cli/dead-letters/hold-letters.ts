import { printableJson } from '#base/printable.ts'
import { type Command, defineCommand, usageError } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { reasonOption, requireReason } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { holdLetters, releaseLetters } from '#dead-letters/hold-letters.ts'

import { letterFilterOptions, readLetterFilter } from './read-letter-filter.ts'
import { refuseUnknownLetters } from './refuse-unknown-letters.ts'

export const hold = defineHold({
  action: 'hold',
  summary: 'Keeps dead letters from any retention (a legal hold), open and closed ones',
  example: 'lawsuit 4711',
  change: holdLetters,
  done: 'held',
})

export const release = defineHold({
  action: 'release',
  summary: 'Ends a hold: the letters are the retention’s again',
  example: 'lawsuit 4711 is over',
  change: releaseLetters,
  done: 'released',
})

function defineHold(kind: {
  action: string
  summary: string
  example: string
  change: typeof holdLetters
  done: string
}): Command {
  const name = `dead-letters ${kind.action}`
  return defineCommand({
    name,
    summary: kind.summary,
    usage:
      '[<id> …] [--group <id>] [--target <name>] [--error <text>] [--since <time>] [--until <time>] [--order <id>] --reason <text> [--json]',
    positionals: { least: 0, most: 1_000, missing: '' },
    options: {
      ...letterFilterOptions,
      reason: reasonOption,
      json: { type: 'boolean', summary: 'For programs' },
    },
    async run({ values, positionals: ids }, { environment, print }) {
      const isNarrowed =
        ids.length > 0 || Object.keys(letterFilterOptions).some((option) => option in values)
      if (!isNarrowed) throw usageError(name, 'which? Give ids, --group, --order or another option')
      const reason = requireReason(name, values.reason, kind.example)
      const readFilter = readLetterFilter(name, ids, values)
      return withDatabase(environment, async ({ db }) => {
        const filter = await readFilter(db)
        await refuseUnknownLetters(db, ids)
        const letters = await kind.change(db, { filter, who: operator(), reason })
        print(values.json ? printableJson({ letters }) : describeDone(letters, kind.done))
        return letters > 0 ? 0 : 1
      })
    },
  })
}

function describeDone(letters: number, done: string): string {
  if (letters === 0) return `No dead letter was ${done}: none is meant, or all were already.`
  return letters === 1 ? `1 dead letter ${done}.` : `${letters} dead letters ${done}.`
}
