import { printable } from '#base/printable.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import type { Preview, PreviewTarget } from '#dead-letters/preview-replay.ts'
import type { ReplayAction } from '#dead-letters/take-replay.ts'

const shownGroups = 15

/** What a replay or discard is about to do: how many, of which groups, and where they go. */
export function describePreview(action: ReplayAction, preview: Preview): string {
  const { total, groups, targets } = preview
  const more = groups.slice(shownGroups).reduce((sum, { deadLetters }) => sum + deadLetters, 0)
  return [
    `${count(total)} to ${action}${total === 0 ? '.' : ':'}`,
    ...(groups.length === 0
      ? []
      : [formatTable([head, ...groups.slice(0, shownGroups).map(toRow)])]),
    ...(more === 0 ? [] : [`… and ${more} more of ${groups.length - shownGroups} other groups.`]),
    ...(action === 'replay' ? targets.map(describeTarget) : []),
    ...describeRest(preview),
  ].join('\n')
}

const head = ['target', 'group', 'status', 'error', 'letters', 'first', 'last']

function toRow(group: Preview['groups'][number]) {
  const { target, groupId, status, error, deadLetters, firstAt, lastAt } = group
  const shown = error.length > 60 ? `${error.slice(0, 60)}…` : error
  return [
    target,
    groupId,
    status === null ? '-' : String(status),
    shown,
    deadLetters,
    formatTime(firstAt),
    formatTime(lastAt),
  ]
}

function describeTarget(target: PreviewTarget): string {
  const { address, hasQueue, isConfigured, paused, circuit, circuitReason } = target
  const why = (reason: string | null) => (reason === null ? '' : `: ${reason}`)
  const hindrances = [
    hasQueue ? '' : 'has no queue, they will be refused',
    isConfigured
      ? ''
      : 'is not in the configuration of the process that started last, they will wait',
    paused ? `is paused by ${paused.by ?? 'somebody'}${why(paused.reason)}, they will wait` : '',
    circuit === 'closed' ? '' : `its circuit is ${circuit}${why(circuitReason)}`,
  ].filter(Boolean)
  const notes = hindrances.length === 0 ? '' : `; ${hindrances.join('; ')}`
  return printable(
    `${count(target.deadLetters)} to ${target.target}${address === null ? '' : ` at ${address}`}${notes}`,
  )
}

function describeRest({ listed, closed, held }: Preview): string[] {
  return [
    listed === 0
      ? ''
      : `${listed} more are in the list of a replay that runs: see orderwheel replays.`,
    closed === 0 ? '' : `${closed} of those named are closed by now.`,
    held === 0 ? '' : `${held} of them are held: closed, they are kept all the same.`,
  ].filter(Boolean)
}

function count(letters: number): string {
  return letters === 1 ? '1 dead letter' : `${letters} dead letters`
}
