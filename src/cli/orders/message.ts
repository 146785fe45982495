import { OrderwheelError } from '#base/errors.ts'
import { printableJson } from '#base/printable.ts'
import { type Context, defineCommand } from '#cli/command.ts'
import { withDatabase } from '#cli/with-database.ts'
import type { Db } from '#database/open-database.ts'
import { readLimits } from '#limits/read-limits.ts'
import { type MessageStory, readMessage } from '#orders/read-message.ts'
import { readTimeline } from '#status/read-timeline.ts'

import { decideOrder } from './decide-order.ts'
import { describeMessage } from './describe-message.ts'
import { decisionOptions, decisionUsage, readDecision } from './read-decision.ts'
import { isUuid } from './read-story.ts'
import type { Subject } from './subject.ts'

const name = 'message'

export const message = defineCommand({
  name,
  summary: 'Tells what became of one message, and decides on its dead and uncertain deliveries',
  usage: `<id> ${decisionUsage}`,
  positionals: { least: 1, most: 1, missing: 'which message? Give its id' },
  options: { ...decisionOptions, json: { type: 'boolean', summary: 'For programs' } },
  async run({ values, positionals: [id = ''] }, context) {
    const decided = readDecision(name, values)
    const json = values.json ?? false
    if (!decided) return show({ id, json }, context)
    const find = async (db: Db) => subjectOf(await findMessage(db, id))
    return decideOrder({ find, ...decided, json }, context)
  },
})

async function show(
  { id, json }: { id: string; json: boolean },
  { environment, print }: Context,
): Promise<number> {
  return withDatabase(environment, async ({ db }) => {
    const found = await findMessage(db, id)
    // What else happened to its order is the order's story.
    const timeline = found.orderId === null ? await readTimeline(db, found.subjectId) : []
    print(
      json
        ? printableJson({ ...found, timeline })
        : describeMessage({ ...found, ...subjectOf(found), timeline }, await readLimits(db)),
    )
    return 0
  })
}

async function findMessage(db: Db, id: string): Promise<MessageStory> {
  const found = isUuid(id) ? await readMessage(db, id) : undefined
  if (found) return found
  throw new OrderwheelError('not-found', `There is no message with the id "${id}".`)
}

function subjectOf({ id, deliveries }: MessageStory): Subject {
  return { name: `message ${id}`, command: `orderwheel message ${id}`, deliveries }
}
