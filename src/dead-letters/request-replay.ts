import { sql } from 'kysely'

import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'

import { isListed, listsOf } from './listed-letters.ts'
import { isMeant, type LetterFilter } from './letter-filter.ts'
import { type ClosedLetter, sayClosed, shortUtc } from './say-closed.ts'
import { mostShed, writeShedLetters } from './shed-letters.ts'
import type { ReplayAction } from './take-replay.ts'

/** Replays that need more are asked for in parts: by `--until`, for example. */
const mostItems = 1_000_000

/** Dead letters a second. An ERP that has just come back is not to be run over. */
export const replayRates = { least: 0.01, usual: 20, most: 10_000 }

export type ReplayRequest = {
  filter: LetterFilter
  action: ReplayAction
  who: string
  /** At most 1 000 characters. Nothing should be discarded without one. */
  reason: string | null
  /** From 0.01 to 10 000. */
  ratePerSecond: number
}

/** Who was first, and when (ISO 8601). */
export type FirstOne = { by: string; at: string; replayId?: string }

export type Requested =
  | { kind: 'requested'; id: string; total: number }
  /** Nothing that is meant is open. `why`: a sentence, when there is more to say than that. */
  | { kind: 'nothing'; why: string | null; who: FirstOne | null }
  /** `most` is what one list takes. */
  | { kind: 'too-many'; most: number }

/**
 * Writes the list of the open dead letters that are meant now, oldest first, and the replay that works it off. What
 * comes later is not in it, nor is what another running replay has in its list. Shed deliveries that are meant get
 * their letters first. To have something else sent for one
 * letter, call `writeEdited` afterwards, in the same transaction. Call `announceReplay` after the commit.
 */
export async function requestReplay(tx: Tx, request: ReplayRequest): Promise<Requested> {
  // Of two who ask at once, the second has to see the first one's list.
  await sql`select pg_advisory_xact_lock(hashtext('orderwheel.replays'))`.execute(tx)
  const { filter, action, who, reason, ratePerSecond } = request
  if (filter.shed && (await writeShedLetters(tx, filter)) > mostShed)
    return { kind: 'too-many', most: mostShed }
  const { rows } = await sql<{ id: string | null; total: number; matching: number }>`
    with meant as materialized (
      select id, row_number() over (order by died_at, id) as position
        from (select l.id, l.died_at from orderwheel.dead_letters l
               where l.resolved_at is null and ${isMeant(filter)} and not ${isListed}
               order by l.died_at, l.id
               limit ${mostItems + 1}) l
    ), replay as (
      insert into orderwheel.replays (filter, action, requested_by, reason, rate_per_second, total)
      select ${JSON.stringify(filter)}::jsonb, ${action}, ${who}, ${reason}, ${ratePerSecond}, count(*)
        from meant having count(*) between 1 and ${mostItems}
      returning id, total
    ), items as (
      insert into orderwheel.replay_items (replay_id, position, letter_id)
      select r.id, m.position, m.id from replay r, meant m
    ), audited as (
      insert into orderwheel.audit_log (who, action, subject, reason, details)
      select ${who}, ${`${action}.requested`}, id::text, ${reason},
             jsonb_build_object('filter', ${JSON.stringify(filter)}::jsonb, 'total', total, 'ratePerSecond', ${ratePerSecond}::float8)
        from replay
    )
    select r.id, r.total, (select count(*)::int from meant) as matching
      from (select) one left join replay r on true`.execute(tx)
  const [row] = rows
  if (row?.id) {
    const { id, total } = row
    if (total === 1) await dropUsedEdit(tx, id)
    return { kind: 'requested', id, total }
  }
  if (row?.matching) return { kind: 'too-many', most: mostItems }
  return { kind: 'nothing', ...(await whyNothing(tx, filter)) }
}

// What was sent already, and died. The previous version, which may have the worker that works this off, sends with a
// list of one whatever is there.
async function dropUsedEdit(tx: Tx, replayId: string): Promise<void> {
  await sql`
    update orderwheel.deliveries d set edited = null
      from orderwheel.replay_items i join orderwheel.dead_letters l on l.id = i.letter_id
     where i.replay_id = ${replayId}::uuid and d.message_id = l.message_id and d.target = l.target
       and d.state = 'dead' and d.edited is not null and d.edited_for is distinct from l.id`.execute(
    tx,
  )
}

/** Wakes whoever works replays off. Losing it is harmless: they look by themselves. */
export function announceReplay(db: Db, id: string): Promise<void> {
  return notifyOnce(db, 'orderwheel_replays', [id])
}

type WhyNothing = { why: string | null; who: FirstOne | null }

const nobody: WhyNothing = { why: null, who: null }

/** Whose list they are on, or, when they were named, who decided on them and when. */
async function whyNothing(tx: Tx, filter: LetterFilter): Promise<WhyNothing> {
  const listed = await findList(tx, filter)
  if (listed) return listed
  if (!filter.ids) return nobody
  const { rows } = await sql<{ closed: ClosedLetter }>`
    select json_build_object('resolution', l.resolution, 'at', l.resolved_at, 'by', l.resolved_by,
                             'comment', l.comment, 'replayId', l.replay_id) as closed
      from orderwheel.dead_letters l
     where l.resolved_at is not null and ${isMeant(filter)}
     limit 2`.execute(tx)
  const [one, another] = rows
  if (!one) return nobody
  if (another) return { why: 'All of them are closed by now.', who: null }
  const { by, at, replayId } = one.closed
  const who = { by: by ?? 'somebody', at: new Date(at).toISOString() }
  return { why: sayClosed(one.closed), who: replayId === null ? who : { ...who, replayId } }
}

async function findList(tx: Tx, filter: LetterFilter): Promise<WhyNothing | undefined> {
  const { rows } = await sql<{ id: string; by: string; at: Date }>`
    select r.id, r.requested_by as by, r.created_at as at
      from orderwheel.dead_letters l
     cross join lateral (${listsOf}) r
     where l.resolved_at is null and ${isMeant(filter)}
     limit 1`.execute(tx)
  const [list] = rows
  if (!list) return undefined
  const { id, by, at } = list
  return {
    why: `${by} asked for that at ${shortUtc(at)}: see replay ${id}.`,
    who: { by, at: at.toISOString(), replayId: id },
  }
}
