import { printable, printableJson } from '#base/printable.ts'
import { type Command, defineCommand, usageError } from '#cli/command.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { withDatabase } from '#cli/with-database.ts'
import { type LetterPage, type LetterState, listLetters } from '#dead-letters/list-letters.ts'

import { describeFailure } from './describe-failure.ts'
import { letterFilterOptions, readLetterFilter } from './read-letter-filter.ts'

const name = 'dead-letters list'

export const list: Command = defineCommand({
  name,
  summary: 'Lists dead letters, the newest first',
  usage:
    '[--group <id>] [--target <name>] [--error <text>] [--since <time>] [--until <time>] [--order <id>] [--closed | --all] [--limit 50] [--after <place>] [--json]',
  options: {
    ...letterFilterOptions,
    closed: { type: 'boolean', summary: 'Those that somebody replayed or discarded' },
    all: { type: 'boolean', summary: 'Both' },
    limit: { type: 'string', value: 'number', summary: 'So many, at most 500 (default 50)' },
    after: { type: 'string', value: 'place', summary: 'The next page, as the last one said' },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values }, { environment, print }) {
    const { closed = false, all = false, after } = values
    if (closed && all) throw usageError(name, 'it takes --closed or --all, not both')
    const state = all ? 'all' : closed ? 'closed' : 'open'
    const limit = readLimit(name, values.limit)
    const readFilter = readLetterFilter(name, [], values)
    return withDatabase(environment, async ({ db }) => {
      const filter = await readFilter(db)
      const wanted = { filter, state, limit, ...(after === undefined ? {} : { after }) } as const
      const page = await listLetters(db, wanted)
      if (!page) throw usageError(name, '--after is none of the places that a page ends with')
      print(values.json ? printableJson(page) : describePage(page, state))
      return 0
    })
  },
})

/** A page's size: 1 … 500, 50 when it is not said. Throws `usage`. */
export function readLimit(command: string, text = '50'): number {
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= 500) return limit
  throw usageError(command, `--limit is "${text}": write a whole number from 1 to 500`)
}

function describePage({ letters, next }: LetterPage, state: LetterState): string {
  if (letters.length === 0) return state === 'open' ? 'No dead letters.' : 'No such dead letters.'
  const table = formatTable([
    ['id', 'died', 'order', 'target', 'failure', state === 'open' ? '' : 'closed', ''],
    ...letters.map(({ id, diedAt, externalId, closed, held, ...letter }) => [
      id,
      formatTime(diedAt),
      externalId ?? letter.message.kind ?? letter.message.id,
      letter.target,
      describeFailure({ ...letter, failure: letter.reason }),
      closed ? `${closed.resolution} by ${closed.by ?? 'unknown'}` : '',
      held ? 'held' : '',
    ]),
  ])
  const more = next === null ? [] : [`More: the same with --after ${next}`]
  return [table, '', ...more, printable('One of them: orderwheel dead-letters show <id>')].join(
    '\n',
  )
}
