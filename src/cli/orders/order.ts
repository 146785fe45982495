import { printableJson } from '#base/printable.ts'
import { type Context, defineCommand } from '#cli/command.ts'
import { withDatabase } from '#cli/with-database.ts'
import type { Db } from '#database/open-database.ts'
import { readLimits } from '#limits/read-limits.ts'

import { decideOrder } from './decide-order.ts'
import { describeOrder } from './describe-order.ts'
import { decisionOptions, decisionUsage, readDecision } from './read-decision.ts'
import { readReport, readStory, subjectOf } from './read-story.ts'

const name = 'order'

export const order = defineCommand({
  name,
  summary: 'Tells one order’s whole story, and decides on its dead and uncertain deliveries',
  usage: `<id or externalId> ${decisionUsage}`,
  positionals: { least: 1, most: 1, missing: 'which order? Give its id or its externalId' },
  options: { ...decisionOptions, json: { type: 'boolean', summary: 'For programs' } },
  async run({ values, positionals: [which = ''] }, context) {
    const decided = readDecision(name, values)
    const json = values.json ?? false
    if (!decided) return show({ which, json }, context)
    const find = async (db: Db) => subjectOf(await readReport(db, which))
    return decideOrder({ find, ...decided, json }, context)
  },
})

async function show(
  { which, json }: { which: string; json: boolean },
  { environment, print }: Context,
): Promise<number> {
  return withDatabase(environment, async ({ db }) => {
    const story = await readStory(db, which)
    print(json ? printableJson(story) : describeOrder(story, await readLimits(db)))
    return 0
  })
}
