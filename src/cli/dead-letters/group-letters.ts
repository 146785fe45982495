import { sql } from 'kysely'

import { printable, printableJson } from '#base/printable.ts'
import { type Command, defineCommand } from '#cli/command.ts'
import { shortTime } from '#cli/format-time.ts'
import { refuseUnknownTarget } from '#cli/targets/unknown-target.ts'
import { withDatabase } from '#cli/with-database.ts'
import type { Db } from '#database/open-database.ts'
import { type LetterGroup, readGroups } from '#dead-letters/read-groups.ts'

import { describeFailure } from './describe-failure.ts'
import { readLimit } from './list-letters.ts'

const name = 'dead-letters groups'

export const groups: Command = defineCommand({
  name,
  summary: 'Counts open dead letters of the same target and kind of failure',
  usage: '[--target <name>] [--limit 50] [--json]',
  options: {
    target: { type: 'string', value: 'name', summary: 'Of this target' },
    limit: { type: 'string', value: 'number', summary: 'The largest so many (default 50)' },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values: { target, ...values } }, { environment, print }) {
    const limit = readLimit(name, values.limit)
    return withDatabase(environment, async ({ db }) => {
      await refuseUnknownTarget(db, target)
      const found = await readGroups(db, { target, limit })
      const now = await readTime(db)
      if (values.json) print(printableJson(found))
      else if (found.length === 0) print('No dead letters.')
      else print(found.map((group) => describeGroup(group, now)).join('\n\n'))
      return 0
    })
  },
})

async function readTime(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select now()`.execute(db)
  return rows[0]?.now ?? new Date()
}

function describeGroup(group: LetterGroup, now: Date): string {
  const { id, target, letters, firstAt } = group
  const failure = describeFailure({ ...group, failure: group.error })
  const orders = letters === 1 ? '1 order' : `${letters} orders`
  return [
    printable(`${target} ${failure}, ${orders} since ${shortTime(firstAt, now)}`),
    `  look:    orderwheel dead-letters list --group ${id}`,
    `  replay:  orderwheel dead-letters replay --group ${id}`,
    `  discard: orderwheel dead-letters discard --group ${id} --reason …`,
  ].join('\n')
}
