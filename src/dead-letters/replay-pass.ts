import { sql } from 'kysely'

import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'
import type { Boss } from '#queues/open-boss.ts'

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
 * targets that got jobs.
 */
export async function replayPass(
  deps: ReplayDeps,
  { only }: { only?: string } = {},
): Promise<Pass> {
  try {
    return await pass(deps, { only, most: mostAtOnce, work: workOff })
  } catch (error) {
    // One that cannot be worked off must not hold up the others.
    if (isTransient(error)) throw error
    return pass(deps, { only, most: 1, work: workOffOrRefuse })
  }
}

type Work = (tx: Tx, boss: Boss, taken: TakenReplay) => Promise<WorkedOff>

async function pass(
  { db, boss }: ReplayDeps,
  { only, most, work }: { only: string | undefined; most: number; work: Work },
): Promise<Pass> {
  const made = await db.transaction().execute(async (tx) => {
    const taken = await takeReplay(tx, { only, most })
    if (!taken) return null
    const { done, refused, targets } = await work(tx, boss, taken)
    await writeDown(tx, taken, { done, refused, targets })
    const mayBeMore = taken.positions.length === most
    return {
      targets,
      pass: { replayId: taken.id, done: done.length, refused: refused.length, mayBeMore },
    }
  })
  if (made) await notifyOnce(db, 'orderwheel_jobs', made.targets)
  return made?.pass ?? null
}

async function workOffOrRefuse(tx: Tx, boss: Boss, taken: TakenReplay): Promise<WorkedOff> {
  await sql`savepoint taken`.execute(tx)
  try {
    return await workOff(tx, boss, taken)
  } catch (error) {
    if (isTransient(error)) throw error
    await sql`rollback to savepoint taken`.execute(tx)
    const why = error instanceof Error ? error.message : String(error)
    const reason = `It could not be worked off: ${why}`.slice(0, 2_000)
    return {
      done: [],
      refused: taken.positions.map((position) => ({ position, reason })),
      targets: [],
    }
  }
}

async function writeDown(tx: Tx, taken: TakenReplay, { done, refused }: WorkedOff): Promise<void> {
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
