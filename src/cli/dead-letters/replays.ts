import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import { groupCommands } from '#cli/command-group.ts'
import { defineCommand, usageError, type Context } from '#cli/command.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { operator } from '#cli/operator.ts'
import { isUuid } from '#cli/orders/read-story.ts'
import { readReason, reasonOption } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { changeReplay, type ReplayChange } from '#dead-letters/change-replay.ts'
import { listReplays } from '#dead-letters/read-replays.ts'

import { readReplayRate } from './read-replay-rate.ts'
import { showReplay } from './show-replay.ts'

const name = 'replays'
const json = { type: 'boolean', summary: 'For programs' } as const
const one = { least: 1, most: 1, missing: 'which replay? Give its id: see orderwheel replays' }

const list = defineCommand({
  name: `${name} list`,
  summary: 'The last 50, newest first',
  usage: '[--json]',
  options: { json },
  async run({ values }, { environment, print }) {
    const all = await withDatabase(environment, ({ db }) => listReplays(db, { limit: 50 }))
    if (values.json) print(printableJson(all))
    else if (all.length === 0) print('No replays yet: orderwheel dead-letters replay --help')
    else
      print(
        formatTable([
          ['id', 'what', 'state', 'done', 'refused', 'of', 'a second', 'by', 'at', 'reason'],
          ...all.map((replay) => [
            replay.id,
            replay.action,
            replay.state,
            replay.done,
            replay.refused,
            replay.total,
            replay.ratePerSecond,
            replay.requestedBy,
            formatTime(replay.createdAt),
            replay.reason ?? '',
          ]),
        ]),
      )
    return 0
  },
})

const show = defineCommand({
  name: `${name} show`,
  summary: 'One replay, and what became of each dead letter',
  usage: '<id> [--refused] [--after <position>] [--limit 50] [--json]',
  positionals: one,
  options: {
    refused: { type: 'boolean', summary: 'Only those that were refused' },
    after: { type: 'string', value: 'position', summary: 'From behind this place in the list on' },
    limit: {
      type: 'string',
      value: 'number',
      summary: 'How many of the list (default 50, at most 500)',
    },
    json,
  },
  run: ({ values, positionals: [id = ''] }, context) =>
    showReplay(readId(`${name} show`, id), values, context),
})

const pause = defineChange('pause', 'Stops working it off, for a while')
const resume = defineChange('resume', 'Goes on with a paused one')
const cancel = defineChange('cancel', 'Ends it; what is left stays a dead letter')

const rate = defineCommand({
  name: `${name} rate`,
  summary: 'Works it off faster or more slowly',
  usage: '<id> <number a second> [--reason <text>] [--json]',
  positionals: { least: 2, most: 2, missing: 'which replay, and how many a second?' },
  options: { reason: reasonOption, json },
  run({ values, positionals: [id = '', text] }, context) {
    const change = { kind: 'rate', ratePerSecond: readReplayRate(`${name} rate`, text) } as const
    return makeChange({ id, change, ...values }, context)
  },
})

export const replays = groupCommands({
  name,
  summary: 'Shows what is being replayed or discarded, pauses it, cancels it, sets its rate',
  actions: { list, show, pause, resume, cancel, rate },
})

function defineChange(kind: 'pause' | 'resume' | 'cancel', summary: string) {
  return defineCommand({
    name: `${name} ${kind}`,
    summary,
    usage: '<id> [--reason <text>] [--json]',
    positionals: one,
    options: { reason: reasonOption, json },
    run: ({ values, positionals: [id = ''] }, context) =>
      makeChange({ id, change: { kind }, ...values }, context),
  })
}

type Given = { id: string; change: ReplayChange; reason?: string; json?: boolean }

async function makeChange(
  { id, change, reason: given, json }: Given,
  { environment, print, warn }: Context,
): Promise<number> {
  const command = `${name} ${change.kind}`
  const reason = readReason(command, given)
  const request = { id: readId(command, id), change, who: operator(), reason }
  return withDatabase(environment, async ({ db }) => {
    const changed = await changeReplay(db, request)
    switch (changed.kind) {
      case 'unknown':
        throw new OrderwheelError('not-found', `There is no replay ${id}: see orderwheel replays`)
      case 'refused': {
        const by = changed.by === null ? '' : `, by ${changed.by} at ${formatTime(changed.at)}`
        warn(printable(`Replay ${id} is ${changed.state}${by}.`))
        return 1
      }
      case 'changed': {
        const { state, ratePerSecond } = changed.after
        print(
          json
            ? printableJson({ id, ...changed })
            : `Replay ${id} is ${state}, at ${ratePerSecond} a second.`,
        )
        return 0
      }
      default:
        return changed satisfies never
    }
  })
}

function readId(command: string, id: string): string {
  if (isUuid(id)) return id
  throw usageError(command, `"${id}" is no id of a replay: see orderwheel replays`)
}
