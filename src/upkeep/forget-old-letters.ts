import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

// A letter may be a hundred kilobytes: a transaction of a moment.
const atATime = 500

/**
 * Deletes dead letters that somebody closed longer ago than their target's `keepLettersDays` says; never open or held
 * ones. In steps, until there are none or `signal` aborts; answers how many.
 */
export async function forgetOldLetters(db: Db, signal: AbortSignal): Promise<number> {
  let deleted = 0
  for (let step = atATime; step === atATime && !signal.aborted; deleted += step)
    step = await forgetSome(db)
  return deleted
}

// What somebody holds at this moment is passed over, or, when it is held since it was found, left alone.
async function forgetSome(db: Db): Promise<number> {
  const { rows } = await sql`
    with old as materialized (
      select l.id
        from orderwheel.targets t
       cross join lateral (
         select l.id from orderwheel.dead_letters l
          where l.target = t.name and l.resolved_at < now() - make_interval(days => t.keep_letters_days)
            and l.held_at is null
          order by l.resolved_at
          limit ${atATime}
            for update skip locked) l
       where t.keep_letters_days is not null
       limit ${atATime}
    )
    delete from orderwheel.dead_letters l using old
     where l.id = old.id and l.held_at is null and l.resolved_at is not null
    returning l.id`.execute(db)
  return rows.length
}
