import { fromKysely } from 'pg-boss'
import { type RawBuilder, sql } from 'kysely'

import { lostAfterSeconds } from '#base/lost-after.ts'
import type { Db, Tx } from '#database/open-database.ts'
import { singletonKey } from '#messages/message-kinds.ts'

import { deadLetterQueue } from './declare-queues.ts'
import type { Boss } from './open-boss.ts'

/** A message to be told to one target. */
export type JobToAdd = { messageId: string; orderId: string; kind: string }

/** A job as its worker holds it. `retryCount` is the fence: it names the attempt. */
export type HeldJob = { id: string; retryCount: number }

/** Adds jobs under their message's id and answers the ids pg-boss really inserted; the rest were there already. */
export async function addJobs(
  tx: Tx,
  boss: Boss,
  jobs: { queue: string; add: readonly JobToAdd[] },
): Promise<string[]> {
  const inserted = await boss.insert(
    jobs.queue,
    jobs.add.map(({ messageId, orderId, kind }) => ({
      id: messageId,
      data: { orderId },
      singletonKey: singletonKey(kind, orderId),
    })),
    { db: fromKysely(tx), returnId: true },
  )
  return inserted ?? []
}

/** `first`: jobs that have not failed yet; `retries`: jobs that have. Both when absent. */
export type JobsWanted = { queue: string; count: number; only?: 'first' | 'retries' }

// What failed goes behind what has not been tried, so that either can be fetched without the other.
const retryPriority = -1

/** Takes up to `count` due jobs, oldest first; skips those another worker is taking. */
export async function takeJobs(tx: Tx, boss: Boss, wanted: JobsWanted): Promise<HeldJob[]> {
  const taken = await boss.fetch(wanted.queue, {
    batchSize: wanted.count,
    ...(wanted.only === 'first' ? { minPriority: 0 } : {}),
    ...(wanted.only === 'retries' ? { maxPriority: retryPriority } : {}),
    db: fromKysely(tx),
  })
  return taken.map(({ id, retryCount }) => ({ id, retryCount }))
}

/** What becomes of a held job. */
export type JobEnd =
  /** After `afterSeconds`, in its old place; `behindOthers`: behind those that have not failed. */
  | { kind: 'retry'; afterSeconds: number; behindOthers?: boolean }
  /** Gone: deliveries and attempts are the history. `bury` leaves a copy in the dead-letter queue. */
  | { kind: 'end'; bury?: JobToAdd }

/**
 * Ends held jobs behind the attempt fence and answers the ids that were still held; a job that was
 * abandoned and taken again meanwhile is left to its new worker.
 */
export async function endJobs(
  tx: Tx,
  boss: Boss,
  jobs: { queue: string; ends: readonly { job: HeldJob; end: JobEnd }[] },
): Promise<Set<string>> {
  const db = fromKysely(tx)
  const { queue, ends } = jobs
  const held = (kind: JobEnd['kind']) => ends.filter((e) => e.end.kind === kind).map((e) => e.job)
  const ended = new Set<string>()
  const settle = async (batch: HeldJob[], how: (batch: HeldJob[]) => Promise<object>) => {
    if (batch.length === 0) return
    for (const id of settledIds(await how(batch))) ended.add(id)
  }
  await settle(held('retry'), (batch) => boss.fail(queue, batch, null, { db }))
  // Completing would write each job anew in a table that nobody reads, for a day, and delete it then.
  await settle(held('end'), (batch) => boss.deleteJob(queue, batch, { db }))

  await postpone(tx, queue, postponed(ends, ended))
  const buried = ends.flatMap(({ job, end }) =>
    end.kind === 'end' && end.bury && ended.has(job.id) ? [end.bury] : [],
  )
  if (buried.length > 0) await addJobs(tx, boss, { queue: deadLetterQueue(queue), add: buried })
  return ended
}

type Postponed = { id: string; seconds: number; priority: number | null }

function postponed(
  ends: readonly { job: HeldJob; end: JobEnd }[],
  ended: ReadonlySet<string>,
): Postponed[] {
  return ends.flatMap(({ job, end }) => {
    if (end.kind !== 'retry' || !ended.has(job.id)) return []
    const priority = end.behindOthers ? retryPriority : null
    return [{ id: job.id, seconds: end.afterSeconds, priority }]
  })
}

// fail() takes no delay, and update() one job at a time: 500 of them held this transaction for 580 ms. These
// jobs are ours: fail() wrote them in this transaction.
async function postpone(tx: Tx, queue: string, jobs: readonly Postponed[]): Promise<void> {
  if (jobs.length === 0) return
  await sql`
    update pgboss.job j
       set start_after = now() + make_interval(secs => p.seconds),
           priority = coalesce(p.priority, j.priority)
      from json_to_recordset(${JSON.stringify(jobs)}::json)
        as p(id uuid, seconds float8, priority int)
     where j.name = ${queue} and j.id = p.id and j.state = 'retry'`.execute(tx)
}

/**
 * Says that these jobs are still being worked on: `kept`. `lost`: no longer held, ended or taken by another worker.
 * Neither: locked at this moment by whoever settles them. Those are not waited for: the heartbeat of the others
 * must not be late, and it locks in another order than a settlement does.
 *
 * pg-boss's touch() waits for locks. One statement, so that a worker that freezes here leaves nothing locked.
 */
export async function keepJobs(
  db: Db,
  { queue, held }: { queue: string; held: readonly HeldJob[] },
): Promise<{ kept: Set<string>; lost: Set<string> }> {
  const { rows } = await sql<{ id: string; isKept: boolean }>`
    with held as materialized (
      select j.id, j.retry_count
        from json_to_recordset(${JSON.stringify(held)}::json) as h(id uuid, "retryCount" int)
        join pgboss.job j on j.name = ${queue} and j.id = h.id and j.retry_count = h."retryCount"
       where j.state = 'active'
    ), free as materialized (
      select j.id, h.retry_count from held h join pgboss.job j on j.name = ${queue} and j.id = h.id
         for update of j skip locked
    ), kept as (
      update pgboss.job j set heartbeat_on = now()
        from free f
       where j.name = ${queue} and j.id = f.id and j.state = 'active' and j.retry_count = f.retry_count
      returning j.id
    )
    select id, id in (select id from kept) as "isKept" from held`.execute(db)
  const active = new Set(rows.map((row) => row.id))
  return {
    kept: new Set(rows.flatMap(({ id, isKept }) => (isKept ? [id] : []))),
    lost: new Set(held.flatMap(({ id }) => (active.has(id) ? [] : [id]))),
  }
}

// From the future: the server's clock was set back, and silence would look like life until it has caught up.
const isLost = sql`j.state = 'active' and (
  j.heartbeat_on < now() - make_interval(secs => ${lostAfterSeconds})
  or j.heartbeat_on > clock_timestamp() + make_interval(secs => ${lostAfterSeconds}))`

/** SQL that says whether a queue has a job whose worker died. */
export function hasLostJob(queue: RawBuilder<unknown>) {
  return sql<boolean>`exists (select from pgboss.job j where j.name = ${queue} and ${isLost})`
}

// A worker that dies takes its slots' worth with it; more wait for the next look.
const rescuedAtATime = 500

/**
 * Gives jobs whose worker died back to the queue at once, where pg-boss's own monitor would make them
 * wait for the schedule. Answers their ids, by queue.
 */
export async function rescueJobs(
  tx: Tx,
  boss: Boss,
  queues: readonly string[],
): Promise<Map<string, string[]>> {
  const { rows } = await sql<HeldJob & { name: string }>`
    select name, id, retry_count as "retryCount" from pgboss.job j
     where name = any(${queues}::text[]) and ${isLost}
     limit ${rescuedAtATime}
       for update skip locked`.execute(tx)
  const rescued = new Map<string, string[]>()
  for (const [queue, jobs] of Map.groupBy(rows, (row) => row.name)) {
    const ends = jobs.map((job) => ({ job, end: { kind: 'retry', afterSeconds: 0 } as const }))
    const ids = await endJobs(tx, boss, { queue, ends })
    if (ids.size > 0) rescued.set(queue, [...ids])
  }
  return rescued
}

/** SQL that says whether a target has a queue, for statements that go on to add jobs to it. */
export function hasQueue(target: RawBuilder<unknown>) {
  return sql`exists (select from pgboss.queue q where q.name = ${target})`
}

/**
 * SQL that says whether a queue has a job that is due now, in `state`: `created` for those never fetched,
 * `retry` for the others. An index lookup, however many jobs wait or are due later.
 */
export function hasDueJob(queue: RawBuilder<unknown>, state: 'created' | 'retry') {
  return sql<boolean>`exists (
    select from pgboss.job j
     where j.name = ${queue} and j.state = ${sql.lit(state)} and not j.blocked and j.start_after <= now())`
}

// The settle calls answer the ids they touched, but pg-boss's types do not say so.
function settledIds(response: object): string[] {
  if (!('settled' in response) || !Array.isArray(response.settled)) {
    throw new Error('pg-boss did not say which jobs it settled: its version does not fit')
  }
  return response.settled.filter((id): id is string => typeof id === 'string')
}
