import { sql } from 'kysely'

import { usageError, type Option } from '#cli/command.ts'
import { isUuid, readReport } from '#cli/orders/read-story.ts'
import { durationSeconds, isoTime } from '#cli/read-end.ts'
import { refuseUnknownTarget } from '#cli/targets/unknown-target.ts'
import type { Db } from '#database/open-database.ts'
import type { LetterFilter } from '#dead-letters/letter-filter.ts'

/** Which dead letters are meant, for every action on them. */
export const letterFilterOptions = {
  group: { type: 'string', value: 'id', summary: 'Of this group: see dead-letters groups' },
  target: { type: 'string', value: 'name', summary: 'Of this target' },
  error: { type: 'string', value: 'text', summary: 'With this in their reason' },
  since: {
    type: 'string',
    value: 'time',
    summary: 'Died then or later: 2h ago, 2026-11-22T14:00Z',
  },
  until: { type: 'string', value: 'time', summary: 'Died before that' },
  order: { type: 'string', value: 'id', summary: 'Of this order: its id or externalId' },
} as const satisfies Record<string, Option>

type Given = { [Name in keyof typeof letterFilterOptions]?: string | undefined }

const mostIds = 1_000

/**
 * The filter that was given: ids, and options. Times count from the database's clock. Throws `usage` before anything
 * is asked, `not-found` for an unknown order or target.
 */
export function readLetterFilter(
  command: string,
  ids: readonly string[],
  given: Given,
): (db: Db) => Promise<LetterFilter> {
  const wrong = ids.find((id) => !isUuid(id))
  if (wrong !== undefined)
    throw usageError(
      command,
      `"${wrong}" is no id of a dead letter: see orderwheel dead-letters list`,
    )
  if (ids.length > mostIds)
    throw usageError(command, `${ids.length} ids are too many: at most ${mostIds}, or say --group`)
  if (given.error !== undefined && !(given.error.length >= 1 && given.error.length <= 200))
    throw usageError(command, '--error takes 1 to 200 characters')
  const since = readMoment(command, 'since', given.since)
  const until = readMoment(command, 'until', given.until)
  return async (db) => {
    await refuseUnknownTarget(db, given.target)
    return {
      ...(ids.length > 0 ? { ids: [...new Set(ids)] } : {}),
      ...(given.target === undefined ? {} : { target: given.target }),
      ...(given.group === undefined ? {} : { groupId: given.group }),
      ...(given.error === undefined ? {} : { error: given.error }),
      ...(since === undefined ? {} : { since: await timeOf(db, since) }),
      ...(until === undefined ? {} : { until: await timeOf(db, until) }),
      ...(given.order === undefined ? {} : { orderId: (await readReport(db, given.order)).id }),
    }
  }
}

type Moment = { at: Date } | { secondsAgo: number }

function readMoment(command: string, option: string, text: string | undefined): Moment | undefined {
  if (text === undefined) return undefined
  const secondsAgo = durationSeconds(text)
  if (secondsAgo !== undefined) return { secondsAgo }
  const at = isoTime(text)
  if (at) return { at }
  throw usageError(
    command,
    `--${option} is "${text}": write how long ago (30m, 2h, 1d), or a time with its zone, for example 2026-11-22T14:00:00Z`,
  )
}

async function timeOf(db: Db, moment: Moment): Promise<Date> {
  if ('at' in moment) return moment.at
  const { rows } = await sql<{ at: Date }>`
    select now() - make_interval(secs => ${moment.secondsAgo}) as at`.execute(db)
  return rows[0]?.at ?? new Date()
}
