import { printableJson } from '#base/printable.ts'
import { decisions } from '#deliveries/decision.ts'
import { readLimits } from '#limits/read-limits.ts'

import { defineCommand, usageError } from './command.ts'
import { decideOrder } from './decide-order.ts'
import { describeOrder } from './describe-order.ts'
import { readReason, reasonOption, requireReason } from './read-reason.ts'
import { readStory } from './read-story.ts'
import { withDatabase } from './with-database.ts'

const name = 'order'

export const order = defineCommand({
  name,
  summary: 'Tells one order’s whole story, and decides on its dead and uncertain deliveries',
  usage:
    '<id or externalId> [--mark-delivered | --try-again | --skip] [--target <target>] [--reason <text>] [--json]',
  positionals: { least: 1, most: 1, missing: 'which order? Give its id or its externalId' },
  options: {
    'mark-delivered': { type: 'boolean', summary: 'The target was told, whatever it answered' },
    'try-again': { type: 'boolean', summary: 'It is called again, with all its attempts' },
    skip: { type: 'boolean', summary: 'It is not told; what waits for it goes on. Needs --reason' },
    target: { type: 'string', value: 'target', summary: 'Which, when there are several to decide' },
    reason: reasonOption,
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values, positionals: [which = ''] }, context) {
    const [decision, another] = decisions.filter((decision) => values[decision])
    if (another) throw usageError(name, `it takes --${decision} or --${another}, not both`)
    const json = values.json ?? false
    if (decision === undefined) {
      const needless = (['target', 'reason'] as const).find(
        (option) => values[option] !== undefined,
      )
      if (needless)
        throw usageError(name, `--${needless} is for --mark-delivered, --try-again and --skip`)
      return show({ which, json }, context)
    }
    const reason =
      decision === 'skip'
        ? requireReason(name, values.reason, 'told by telephone')
        : readReason(name, values.reason)
    const { target } = values
    return decideOrder({ which, decision, target, reason, json }, context)
  },
})

async function show(
  { which, json }: { which: string; json: boolean },
  { environment, print }: Parameters<typeof decideOrder>[1],
): Promise<number> {
  return withDatabase(environment, async ({ db }) => {
    const story = await readStory(db, which)
    print(json ? printableJson(story) : describeOrder(story, await readLimits(db)))
    return 0
  })
}
