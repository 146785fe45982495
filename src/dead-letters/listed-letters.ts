import { sql } from 'kysely'

/**
 * SQL of the running replays that are going to get to a dead letter `l`. `offset 0`: looked up for each letter, in an
 * index. A list of a million may have been written a moment ago, and PostgreSQL, which has no statistics of it yet,
 * would read all of it for each letter.
 */
export const listsOf = sql`
  select r.id, r.requested_by, r.created_at
    from orderwheel.replay_items i
    join orderwheel.replays r on r.id = i.replay_id and r.state = 'running'
   where i.letter_id = l.id and i.state = 'waiting' offset 0`

/** SQL that says of a dead letter `l` that a running replay is going to get to it. Mostly none runs: asked once. */
export const isListed = sql<boolean>`(
  (select exists (select from orderwheel.replays where state = 'running')) and exists (${listsOf}))`
