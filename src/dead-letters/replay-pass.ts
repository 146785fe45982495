import { sql } from 'kysely'

import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'
import type { Boss } from '#queues/open-boss.ts'
import { messageOf } from '#targets/read-outcome.ts'
import { storableText } from '#targets/storable-text.ts'

import { maxResultBytes } from './say-closed.ts'
import { type TakenReplay, takeReplay } from './take-replay.ts'
import { type WorkedOff, workOff } from './work-off.ts'

export type ReplayDeps = { db: Db; boss: Boss }

/** Which dead letters were worked off; null: no replay is due, or another process has it. */
export type Pass = { replayId: string; done: number; refused: number; mayBeMore: boolean } | null

// One transaction: short enough to keep nobody waiting for the orders it locks.
const mostAtOnce = 100

/**
 * Takes the replay that is due for longest (`only`: if it is this one), and works off as many of its dead letters
 * as its rate allows by now, in one transaction. However many processes do this at once, none is worked off twice
 * and the rate is never exceeded; whatever kills one of them rolls everything back. Then wakes the workers of
 * targets that got jobs. When it throws, the list it had taken is put off, so that others go first.
 */
export async function replayPass(
  deps: ReplayDeps,
  { only }: { only?: string } = {},
): Promise<Pass> {
  const taken: Taken = { id: only }
  try {
    return await passOrRefuse(deps, { only, taken })
  } catch (error) {
    // It is what went wrong that has to be known; a list that was not put off is taken again in a second.
    if (taken.id !== undefined) await putOff(deps.db, taken.id).catch(() => {})
    throw error
  }
}

/** Which list a pass had in its hands, for when it throws. */
type Taken = { id: string | undefined }

async function passOrRefuse(
  deps: ReplayDeps,
  { only, taken }: { only: string | undefined; taken: Taken },
): Promise<Pass> {
  try {
    return await pass(deps, { only, taken, most: mostAtOnce, work })
  } catch (error) {
    // One that cannot be worked off must not hold up the others.
    if (isTransient(error)) throw error
    return pass(deps, { only: taken.id, taken, most: 1, work: workOrRefuse })
  }
}

type Work = (tx: Tx, boss: Boss, taken: TakenReplay) => Promise<WorkedOff>

// Whoever pauses or cancels the list waits as long for us as we wait for a delivery that somebody has locked.
const setPatience = sql`select set_config('lock_timeout', '4s', true)`

async function pass(
  { db, boss }: ReplayDeps,
  given: { only: string | undefined; taken: Taken; most: number; work: Work },
): Promise<Pass> {
  const { only, most } = given
  const made = await db.transaction().execute(async (tx) => {
    await setPatience.execute(tx)
    const taken = await takeReplay(tx, { only, most })
    if (!taken) return null
    given.taken.id = taken.id
    const { done, refused, targets } = await given.work(tx, boss, taken)
    const mayBeMore = taken.positions.length === most
    return {
      targets,
      pass: { replayId: taken.id, done: done.length, refused: refused.length, mayBeMore },
    }
  })
  if (made) await notifyOnce(db, 'orderwheel_jobs', made.targets)
  return made?.pass ?? null
}

async function work(tx: Tx, boss: Boss, taken: TakenReplay): Promise<WorkedOff> {
  const workedOff = await workOff(tx, boss, taken)
  await writeDown(tx, taken, workedOff)
  return workedOff
}

async function workOrRefuse(tx: Tx, boss: Boss, taken: TakenReplay): Promise<WorkedOff> {
  await sql`savepoint taken`.execute(tx)
  try {
    return await work(tx, boss, taken)
  } catch (error) {
    if (isTransient(error)) throw error
    await sql`rollback to savepoint taken`.execute(tx)
    const why = `It could not be worked off: ${messageOf(error)}`
    const reason = storableText(why, maxResultBytes)
    const refused = taken.positions.map((position) => ({ position, reason }))
    await writeDown(tx, taken, { done: [], refused })
    return { done: [], refused, targets: [] }
  }
}

async function writeDown(
  tx: Tx,
  taken: TakenReplay,
  { done, refused }: Pick<WorkedOff, 'done' | 'refused'>,
): Promise<void> {
  const items = [
    ...done.map(({ position, note }) => ({ position, state: 'done', result: note })),
    ...refused.map(({ position, reason }) => ({ position, state: 'refused', result: reason })),
  ]
  await sql`
    update orderwheel.replay_items i
       set state = w.state, result = w.result, worked_off_at = now()
      from json_to_recordset(${JSON.stringify(items)}::json) as w(position int, state text, result text)
     where i.replay_id = ${taken.id} and i.position = w.position`.execute(tx)
  const isLast = taken.workedOff + items.length >= taken.total
  await sql`
    update orderwheel.replays
       set replayed = replayed + ${done.length}, refused = refused + ${refused.length},
           next_at = ${taken.since}::timestamptz + make_interval(secs => ${items.length / taken.rate}),
           state = ${isLast ? 'finished' : 'running'}, finished_at = ${isLast ? sql`now()` : sql`null`}
     where id = ${taken.id}`.execute(tx)
}

const putOffSeconds = 10

// Whoever has it now works it off, or puts it off.
async function putOff(db: Db, id: string): Promise<void> {
  await sql`
    update orderwheel.replays
       set next_at = greatest(next_at, now() + make_interval(secs => ${putOffSeconds}))
     where id = (select id from orderwheel.replays
                  where id = ${id}::uuid and state = 'running' for update skip locked)`.execute(db)
}
