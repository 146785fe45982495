import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import { isMeant, type LetterFilter } from './letter-filter.ts'
import type { HeldLetter } from './letter-summary.ts'
import { isInState } from './list-letters.ts'

export type HoldRequest = {
  filter: LetterFilter
  who: string
  /** At most 2 000 characters. */
  reason: string
}

/** Keeps letters from any retention, those that are held already as they are. Answers how many it was. */
export function holdLetters(db: Db, request: HoldRequest): Promise<number> {
  return changeHolds(db, { ...request, action: 'hold' })
}

/** Gives held letters back to the retention. Answers how many it was. */
export function releaseLetters(db: Db, request: HoldRequest): Promise<number> {
  return changeHolds(db, { ...request, action: 'release' })
}

type Change = HoldRequest & { action: 'hold' | 'release' }

// Bounds one transaction; whoever wants to decide on one of these letters waits for no more than that.
const batchSize = 10_000

// Open letters, then closed ones, whose groups are in indexes of their own. What dies meanwhile is not held.
async function changeHolds(db: Db, change: Change): Promise<number> {
  let changed = 0
  try {
    for (const state of ['open', 'closed'] as const) {
      let after: string | null = '00000000-0000-0000-0000-000000000000'
      while (after !== null) {
        const step: Step = { state, after }
        const done = await db.transaction().execute((tx) => changeBatch(tx, change, step))
        changed += done.changed
        after = done.last
      }
    }
    return changed
  } catch (error) {
    // It stays the error that it is, of a database that is not available say.
    if (error instanceof Error && changed > 0)
      error.message = `${sayDone(change, changed)} ${error.message}`
    throw error
  }
}

function sayDone({ action }: Change, changed: number): string {
  return `${changed} dead letters were ${action === 'hold' ? 'held' : 'released'}; repeat it for the rest.`
}

/** From the letter behind this id on: beginning anew, each step would pass over all that were changed before. */
type Step = { state: 'open' | 'closed'; after: string }

/** `last`: where the next step goes on; null: there is none. */
async function changeBatch(
  tx: Tx,
  change: Change,
  { state, after }: Step,
): Promise<{ changed: number; last: string | null }> {
  const { filter, who, reason, action } = change
  const wasHeld = action === 'hold' ? sql`l.held_at is null` : sql`l.held_at is not null`
  const isHeld =
    action === 'hold'
      ? sql`held_at = now(), held_by = ${who}, hold_reason = ${reason}`
      : sql`held_at = null, held_by = null, hold_reason = null`
  const { rows } = await sql<Changed & { last: string | null }>`
    with meant as materialized ( -- in one order for everybody who locks several
      select l.id from orderwheel.dead_letters l
       where ${isInState(state)} and ${wasHeld} and ${isMeant(filter)} and l.id > ${after}::uuid
       order by l.id
       limit ${batchSize}
         for update
    ), changed as (
      update orderwheel.dead_letters l set ${isHeld}
        from meant
       where l.id = meant.id and ${wasHeld}
      returning l.id, to_json(old.held_at) as at, old.held_by as by, old.hold_reason as reason
    )
    select c.id, c.at, c.by, c.reason, s.last
      from (select case when count(*) = ${batchSize} then (array_agg(id order by id desc))[1] end as last from meant) s
      left join changed c on true`.execute(tx)
  const changed = rows.filter(({ id }) => id !== null)
  if (changed.length > 0) await record(tx, change, changed)
  return { changed: changed.length, last: rows[0]?.last ?? null }
}

type Changed = { id: string; at: string | null; by: string | null; reason: string | null }

// The letters say themselves who holds them and why: a million of them need not be listed once more.
const listed = 100

async function record(tx: Tx, change: Change, rows: readonly Changed[]): Promise<void> {
  const { filter, who, reason, action } = change
  const [first] = rows
  const holds = rows.map(({ at, by, reason }) => JSON.stringify({ at, by, reason }))
  const before = [...new Set(holds)].slice(0, listed).map((hold): unknown => JSON.parse(hold))
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: action === 'hold' ? 'dead-letter.held' : 'dead-letter.released',
      subject: rows.length === 1 && first ? first.id : `${rows.length} dead letters`,
      reason,
      details: JSON.stringify({
        filter,
        letters: rows.length <= listed ? rows.map(({ id }) => id) : rows.length,
        before: action === 'hold' ? null : before,
        after: action === 'hold' ? ({ by: who, reason } satisfies Partial<HeldLetter>) : null,
      }),
    })
    .execute()
}
