import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import type { Db } from '#database/open-database.ts'
import { readOrder, type DeliveryReport, type OrderReport } from '#orders/read-order.ts'
import { readTimeline, type TimelineEntry } from '#status/read-timeline.ts'

import { defineCommand } from './command.ts'
import { formatDuration } from './format-duration.ts'
import { withDatabase } from './with-database.ts'

export const order = defineCommand({
  name: 'order',
  summary: 'Tells one order’s whole story, in time order',
  usage: '<id or externalId> [--json]',
  positionals: { least: 1, most: 1, missing: 'which order? Give its id or its externalId' },
  options: { json: { type: 'boolean', summary: 'For programs' } },
  async run({ values, positionals: [which = ''] }, { environment, print }) {
    const story = await withDatabase(environment, ({ db }) => readStory(db, which))
    print(values.json ? printableJson(story) : describe(story))
    return 0
  },
})

type Story = OrderReport & { timeline: TimelineEntry[] }

async function readStory(db: Db, which: string): Promise<Story> {
  // A storefront's number may look like a UUID, too.
  const report =
    (await readOrder(db, { externalId: which })) ??
    (isUuid(which) ? await readOrder(db, { id: which }) : undefined)
  if (!report)
    throw new OrderwheelError(
      'not-found',
      `There is no order with the id or externalId "${which}".`,
    )
  return { ...report, timeline: await readTimeline(db, report.id) }
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}

function describe(story: Story): string {
  const targets = story.deliveries.map(({ target }) => target.length)
  const width = Math.max(0, ...targets)
  return [
    `Order ${story.externalId} (${story.id}): ${story.state}`,
    '',
    ...story.timeline.flatMap((entry) => describeEntry(entry, story, width)),
    ...describeOpen(story.deliveries),
  ]
    .map(printable)
    .join('\n')
}

function describeEntry(entry: TimelineEntry, story: Story, width: number): string[] {
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

function findAttempt({ target, attempt, at }: TimelineEntry, { deliveries }: Story) {
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
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
  // An SMTP reply begins with its status.
  return `answered ${shown.startsWith(status) ? shown : `${status} ${shown}`.trim()}`
}

function describeOpen(deliveries: DeliveryReport[]): string[] {
  const lines = deliveries.flatMap((delivery) => {
    const rest = describeRest(delivery)
    return rest === '' ? [] : [`${delivery.target} (${delivery.message.kind}) ${rest}`]
  })
  return lines.length === 0 ? [] : ['', ...lines]
}

/** What is still to come of a delivery. */
function describeRest({ state, nextAttemptAt, waitsFor }: DeliveryReport): string {
  switch (state) {
    case 'waiting':
      return `waits for ${waitsFor.map(({ target }) => target).join(', ')}`
    case 'queued':
      return 'is queued'
    case 'retrying':
      return `is tried again at ${formatTime(nextAttemptAt)}`
    case 'dead':
    case 'uncertain':
      return `is ${state}: a person has to decide`
    case 'active':
    case 'delivered':
    case 'shed':
    case 'skipped':
    case 'cancelled':
      return ''
    default:
      return state satisfies never
  }
}

function formatTime(at: Date | string | null): string {
  return at === null ? 'once its job is due' : new Date(at).toISOString().replace('T', ' ')
}
