import { printable } from '#base/printable.ts'
import { formatDuration } from '#cli/format-duration.ts'
import { formatTime } from '#cli/format-time.ts'
import type { TargetLimits } from '#limits/read-limits.ts'
import type { TimelineEntry } from '#status/read-timeline.ts'

import { describeRest } from './describe-rest.ts'
import { type Story, subjectOf } from './read-story.ts'

/** What happened to an order, a line for each thing, and below it what is still to come. */
export function describeOrder(
  story: Story,
  calling: { at: Date; targets: readonly TargetLimits[] },
): string {
  const targets = story.deliveries.map(({ target }) => target.length)
  const width = Math.max(0, ...targets)
  return [
    `Order ${story.externalId} (${story.id}): ${story.state}${describeForgotten(story)}`,
    '',
    ...story.timeline.flatMap((entry) => describeEntry(entry, story, width)),
    ...describeOpen(story, calling),
  ]
    .map(printable)
    .join('\n')
}

function describeForgotten({ timeline }: Story): string {
  const forgotten = timeline.find(({ event }) => event === 'personal data forgotten')
  return forgotten ? `, personal data forgotten ${formatTime(forgotten.at)}` : ''
}

/** A line of a timeline, and below it what was answered. */
export function describeEntry(
  entry: TimelineEntry,
  story: Pick<Story, 'deliveries'>,
  width: number,
): string[] {
  const attempt = findAttempt(entry, story)
  const who = (entry.target ?? '').padEnd(width)
  // The view's event says "attempt under way", for those who read it without the number.
  const event =
    entry.attempt === null
      ? entry.event
      : `attempt ${entry.attempt}: ${entry.event.replace(/^attempt /, '')}`
  const took =
    attempt?.durationMs == null ? '' : ` after ${formatDuration(attempt.durationMs / 1_000)}`
  const answer = describeAnswer(attempt?.answer)
  // "answered 503" is said once, with what else was in the answer.
  const detail = entry.detail && !answer.startsWith(entry.detail) ? ` — ${entry.detail}` : ''
  const line = `${formatTime(entry.at)}  ${who}  ${event}${took}${detail}`
  return answer ? [line, `${' '.repeat(formatTime(entry.at).length + width + 4)}${answer}`] : [line]
}

function findAttempt(
  { target, attempt, at }: TimelineEntry,
  { deliveries }: Pick<Story, 'deliveries'>,
) {
  if (target === null || attempt === null) return undefined
  return deliveries
    .filter((delivery) => delivery.target === target)
    .flatMap((delivery) => delivery.attempts)
    .find(
      ({ number, startedAt }) =>
        // Two messages of one order may both have a first attempt.
        number === attempt && Date.parse(startedAt) === at.getTime(),
    )
}

/** One line, short enough for a terminal; `--json` has all of it. */
function describeAnswer(answer: unknown): string {
  if (typeof answer !== 'object' || answer === null) return ''
  const status = 'status' in answer ? String(answer.status) : ''
  const text = 'text' in answer ? String(answer.text).replace(/\s+/g, ' ').trim() : ''
  // A code alone is the system's, and in the reason: nobody answered.
  if (status === '' && text === '') return ''
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
  // An SMTP reply begins with its status.
  return `answered ${shown.startsWith(status) ? shown : `${status} ${shown}`.trim()}`
}

function describeOpen(
  story: Story,
  calling: { at: Date; targets: readonly TargetLimits[] },
): string[] {
  const lines = story.deliveries.flatMap((delivery) => {
    const rest = describeRest(delivery, subjectOf(story), calling)
    return rest === '' ? [] : [`${delivery.target} (${delivery.message.kind}) ${rest}`]
  })
  return lines.length === 0 ? [] : ['', ...lines]
}
