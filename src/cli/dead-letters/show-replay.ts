import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import { type Context, usageError } from '#cli/command.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { withDatabase } from '#cli/with-database.ts'
import type { LetterFilter } from '#dead-letters/letter-filter.ts'
import {
  readItems,
  readReplay,
  type ReplayItem,
  type ReplayReport,
} from '#dead-letters/read-replays.ts'

type Given = { refused?: boolean; after?: string; limit?: string; json?: boolean }

/** One replay with a part of its list. Throws `not-found`. */
export async function showReplay(
  id: string,
  given: Given,
  { environment, print }: Context,
): Promise<number> {
  const limit = readNumber('limit', given.limit ?? '50', 500)
  const after = readNumber('after', given.after ?? '0', 1_000_000)
  const wanted = { limit, after, state: given.refused ? ('refused' as const) : undefined }
  return withDatabase(environment, async ({ db }) => {
    const report = await readReplay(db, id)
    if (!report)
      throw new OrderwheelError('not-found', `There is no replay ${id}: see orderwheel replays`)
    const items = await readItems(db, id, wanted)
    print(given.json ? printableJson({ ...report, items }) : describe(report, items, limit))
    return 0
  })
}

function readNumber(option: string, text: string, most: number): number {
  if (/^\d{1,7}$/.test(text) && Number(text) <= most) return Number(text)
  throw usageError('replays show', `--${option} is "${text}": write a whole number up to ${most}`)
}

function describe(report: ReplayReport, items: readonly ReplayItem[], limit: number): string {
  const { id, action, state, total, done, refused, left } = report
  const what = action === 'replay' ? 'replayed' : 'discarded'
  const rest = state === 'cancelled' ? 'left as they were' : 'to go'
  const last = items.at(-1)
  return [
    `Replay ${id}: ${state}`,
    `${action} of ${describeFilter(report.filter)}, asked for by ${report.requestedBy} at ${formatTime(report.createdAt)}${report.reason === null ? '' : `: ${report.reason}`}`,
    `${done} of ${total} ${what}, ${refused} refused, ${left} ${rest}, ${report.ratePerSecond} a second`,
    ...(report.changedBy === null
      ? []
      : [`last changed by ${report.changedBy} at ${formatTime(report.changedAt)}`]),
  ]
    .map(printable)
    .concat(
      '',
      formatTable([
        ['#', 'order', 'target', 'letter', 'what', 'delivery now', 'why'],
        ...items.map((item) => [
          item.position,
          item.externalId ?? '-',
          item.target ?? '-',
          item.letterId,
          item.state,
          item.deliveryState ?? 'gone',
          item.result ?? '',
        ]),
      ]),
      last && items.length === limit ? `… more: --after ${last.position}` : '',
    )
    .join('\n')
    .trimEnd()
}

/** `target erp, error 422`; the words are those of the options. */
function describeFilter(filter: LetterFilter): string {
  const { ids, ...rest } = filter
  const parts = Object.entries(rest).map(([name, value]) => `${name} ${String(value)}`)
  if (ids) parts.unshift(ids.length === 1 ? `letter ${ids[0]}` : `${ids.length} letters`)
  return parts.join(', ') || 'all'
}
