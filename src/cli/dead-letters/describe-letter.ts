import { printable } from '#base/printable.ts'
import { formatDuration } from '#cli/format-duration.ts'
import { formatTime } from '#cli/format-time.ts'
import type { LetterAttempt, LetterReplay, LetterReport } from '#dead-letters/read-letter.ts'

/** Everything about a dead letter, for a person who has to decide. */
export function describeLetter(letter: LetterReport): string {
  const { id, target, message, externalId, orderId, reason, diedAt, groupId } = letter
  return [
    `Dead letter ${id}`,
    `${target} was not told of ${message.kind ?? 'a message'} ${externalId === null ? `(${message.id}), which is about no order` : `of order ${externalId} (${orderId})`}`,
    `Given up ${formatTime(diedAt)}: ${reason}`,
    `Group ${groupId}`,
    ...describeHold(letter),
    ...describeEdit(letter),
    '',
    ...letter.attempts.flatMap(describeAttempt),
    ...letter.others.map(
      (other) =>
        `Another dead letter of the same: ${other.id}, ${formatTime(other.diedAt)}, ${other.resolution ?? 'open'}`,
    ),
    ...letter.replays.map(describeReplay),
    '',
    describeEnd(letter),
  ]
    .map(printable)
    .join('\n')
}

function describeHold({ held }: LetterReport): string[] {
  return held ? [`Held since ${formatTime(held.at)} by ${held.by}: ${held.reason}`] : []
}

function describeEdit({ id, delivery }: LetterReport): string[] {
  if (!delivery.isEdited) return []
  const then = delivery.isEditDue
    ? 'its next replay sends that'
    : `replay ${id} --edit begins with that`
  return [`Its request was edited (orderwheel dead-letters request ${id}): ${then}`]
}

function describeAttempt(attempt: LetterAttempt): string[] {
  const { number, startedAt, durationMs, outcome, reason, worker, charged } = attempt
  const took = durationMs === null ? '' : ` after ${formatDuration(durationMs / 1_000)}`
  const free = charged ? '' : ' (not charged)'
  return [
    `Attempt ${number} ${formatTime(startedAt)} by ${worker}: ${outcome}${took}${free}${reason === null ? '' : ` — ${reason}`}`,
    ...describeAnswer(attempt.answer).map((line) => `  ${line}`),
  ]
}

function describeAnswer(answer: unknown): string[] {
  if (typeof answer !== 'object' || answer === null) return []
  const { status, code, headers, text } = answer as Record<string, unknown>
  const head = [status, code].filter((part) => isPlain(part)).join(' ')
  const named = typeof headers === 'object' && headers !== null ? Object.entries(headers) : []
  const lines = typeof text === 'string' ? text.split(/\r?\n/) : []
  return [
    ...(head === '' ? [] : [head]),
    ...named.map(([name, value]) => `${name}: ${String(value)}`),
    ...lines.filter((line) => line.trim() !== ''),
  ]
}

function isPlain(part: unknown): part is string | number {
  return typeof part === 'string' || typeof part === 'number'
}

function describeReplay({
  id,
  action,
  requestedBy,
  createdAt,
  reason,
  item,
}: LetterReplay): string {
  const why = reason === null ? '' : `: ${reason}`
  const result = item.result === null ? '' : ` (${item.result})`
  return `In ${action} ${id} by ${requestedBy} ${formatTime(createdAt)}${why} — ${item.state}${result}`
}

function describeEnd({ id, closed }: LetterReport): string {
  if (closed) {
    const why = closed.reason === null ? '' : `: ${closed.reason}`
    return `${closed.resolution} ${formatTime(closed.at)} by ${closed.by ?? 'unknown'}${why}`
  }
  return `Open: mend the cause, then orderwheel dead-letters replay ${id}, or discard ${id} --reason …`
}
