import { printable, printableJson } from '#base/printable.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { readLimit } from '#cli/dead-letters/list-letters.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { isoTime } from '#cli/read-end.ts'
import { withDatabase } from '#cli/with-database.ts'
import { type AuditPage, type AuditSearch, readAudit } from '#status/read-audit.ts'

const name = 'audit list'

export const list = defineCommand({
  name,
  summary: 'What people did, the newest first',
  usage:
    '[--who <name>] [--action <action>] [--subject <what>] [--since <time>] [--until <time>] [--limit 50] [--after <place>] [--json]',
  options: {
    who: { type: 'string', value: 'name', summary: 'An operator, an API key' },
    action: { type: 'string', value: 'action', summary: 'target.paused, or target: all of them' },
    subject: { type: 'string', value: 'what', summary: 'A target, an order’s id, a key …' },
    since: { type: 'string', value: 'time', summary: 'Done then or later: 2026-11-22T14:00:00Z' },
    until: { type: 'string', value: 'time', summary: 'Done before that' },
    limit: { type: 'string', value: 'number', summary: 'So many, at most 500 (default 50)' },
    after: { type: 'string', value: 'place', summary: 'The next page, as the last one said' },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values }, { environment, print }) {
    const { json, limit, since, until, ...search } = values
    const wanted: AuditSearch = {
      ...search,
      ...(since !== undefined && { since: readTime('since', since) }),
      ...(until !== undefined && { until: readTime('until', until) }),
      limit: readLimit(name, limit),
    }
    return withDatabase(environment, async ({ db }) => {
      const page = await readAudit(db, wanted)
      if (!page) throw usageError(name, '--after is none of the places that a page ends with')
      print(json ? printableJson(page) : describe(page))
      return 0
    })
  },
})

function readTime(option: string, text: string): Date {
  const at = isoTime(text)
  if (at) return at
  throw usageError(
    name,
    `--${option} is "${text}": write a time with its zone, for example 2026-11-22T14:00:00Z`,
  )
}

function describe({ records, next }: AuditPage): string {
  const more = next === null ? [] : [`More: the same with --after ${next}`]
  if (records.length === 0) return ['Nobody did such a thing.', ...more].join('\n')
  const table = formatTable([
    ['at', 'who', 'action', 'subject', 'reason'],
    ...records.map(({ at, who, action, subject, reason }) => [
      formatTime(at),
      who,
      action,
      subject,
      reason ?? '',
    ]),
  ])
  return [table, ...more.map((line) => printable(line))].join('\n')
}
