import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import type { Context } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { withQueues } from '#cli/with-queues.ts'
import type { Tx } from '#database/open-database.ts'
import { previewReplay } from '#dead-letters/preview-replay.ts'
import { type ItemsWanted, readItems, type ReplayReport } from '#dead-letters/read-replays.ts'
import { announceReplay, type Requested, requestReplay } from '#dead-letters/request-replay.ts'
import type { ReplayAction } from '#dead-letters/take-replay.ts'

import { describePreview } from './describe-preview.ts'
import type { readLetterFilter } from './read-letter-filter.ts'
import { refuseUnknownLetters } from './refuse-unknown-letters.ts'
import { workOffHere } from './work-off-here.ts'

type Queues = Parameters<Parameters<typeof withQueues>[1]>[0]

export type ReplayLetters = {
  action: ReplayAction
  filter: ReturnType<typeof readLetterFilter>
  ratePerSecond: number
  reason: string | null
  dryRun: boolean
  wait: boolean
  json: boolean
  /** Written in the transaction that asks: false, and nothing is asked, when it cannot be any more. */
  edit?: (tx: Tx) => Promise<boolean>
}

/**
 * Shows what is meant, asks for the replay (or discard) and works it off beside the workers. Answers the exit code:
 * 1 when there was nothing to do, or something was refused or is left.
 */
export function replayLetters(given: ReplayLetters, context: Context): Promise<number> {
  const { print, warn } = context
  return withQueues(context.environment, async (queues) => {
    const filter = await given.filter(queues.db)
    await refuseUnknownLetters(queues.db, filter.ids ?? [])
    const preview = await previewReplay(queues.db, filter)
    if (!given.json) print(describePreview(given.action, preview))
    if (given.dryRun) {
      if (given.json) print(printableJson(preview))
      return 0
    }
    const { action, reason, ratePerSecond } = given
    const request = { filter, action, who: operator(), reason, ratePerSecond }
    const requested = await queues.db.transaction().execute(async (tx) => {
      const requested = await requestReplay(tx, request)
      if (requested.kind !== 'requested' || !given.edit || (await given.edit(tx))) return requested
      throw new OrderwheelError(
        'not-found',
        'Somebody decided on it meanwhile: nothing was changed.',
      )
    })
    if (requested.kind !== 'requested') {
      warn(printable(describeNothing(requested)))
      return 1
    }
    await announceReplay(queues.db, requested.id)
    return given.wait
      ? finish(queues, requested.id, given, context)
      : leave(requested, given, context)
  })
}

function describeNothing(requested: Exclude<Requested, { kind: 'requested' }>): string {
  switch (requested.kind) {
    case 'nothing':
      return (
        requested.why ?? 'No open dead letter is meant by that: see orderwheel dead-letters list.'
      )
    case 'too-many':
      return `More than ${requested.most} dead letters are too many for one list: narrow it, with --until say.`
    default:
      return requested satisfies never
  }
}

function leave(
  { id, total }: { id: string; total: number },
  { json }: ReplayLetters,
  { print }: Context,
): number {
  if (json) print(printableJson({ id, total }))
  else print(`The workers work it off: orderwheel replays show ${id}`)
  return 0
}

async function finish(
  queues: Queues,
  id: string,
  { json }: ReplayLetters,
  { print, warn }: Context,
): Promise<number> {
  const { report, interrupted } = await workOffHere(queues, id, warn)
  const refused = report.refused === 0 ? [] : await readItems(queues.db, id, someRefused)
  if (json) print(printableJson({ ...report, refusedItems: refused }))
  else {
    print(printable(describeEnd(report)))
    for (const { letterId, externalId, result } of refused)
      print(
        printable(
          `Refused: ${letterId}${externalId === null ? '' : ` (order ${externalId})`}: ${result}`,
        ),
      )
  }
  if (interrupted)
    warn(`It goes on without this command: orderwheel replays show ${id}, or cancel ${id}`)
  return report.state === 'finished' && report.refused === 0 ? 0 : 1
}

const someRefused = { limit: 20, state: 'refused' } as const satisfies ItemsWanted

function describeEnd(report: ReplayReport): string {
  const { id, action, state, done, total, refused, left, changedBy } = report
  const what = action === 'replay' ? 'replayed' : 'discarded'
  const end = {
    running: `, ${left} to go`,
    paused: `; paused by ${changedBy}, ${left} to go: orderwheel replays resume ${id}`,
    cancelled: `; cancelled by ${changedBy}, ${left} are dead letters still`,
    finished: '',
  }[state]
  return `${done} of ${total} ${what}${refused === 0 ? '' : `, ${refused} refused`}${end}. Replay ${id}`
}
