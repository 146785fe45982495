import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'
import { mayDeliver } from '#owner/owner-fit.ts'
import { type HeldJob, type JobsWanted, endJobs, takeJobs } from '#queues/jobs.ts'

import { announceCall } from './announce-call.ts'
import { findHeld } from './find-held.ts'
import { readFile } from './keep-files.ts'
import { readAnswers } from './read-answers.ts'
import { type ClaimedRow, readClaimed } from './read-claimed.ts'
import { readStanding } from './read-standing.ts'
import type { Told } from './read-told.ts'
import { recordAbandoned } from './record-abandoned.ts'
import { countLost } from './suspects.ts'
import type { WorkerDeps } from './worker-deps.ts'

/** A delivery in this worker's hands: its job is fetched. */
export type ClaimedDelivery = {
  job: HeldJob
  /** The attempt's number, 1 for the first. */
  attempt: number
  /** Attempts that count against the limit, this one included. */
  charged: number
  /** The previous attempt's worker died or lost the job: whether the target was told is unknown. */
  afterAbandoned: boolean
  /** Workers that died or lost the job while they called it, since the last call that ended: see suspects.ts. */
  lostInARow: number
  /** An earlier attempt may have reached the target: its lookup, if it has one, is asked first. */
  askFirst: boolean
  /** Another delivery of the order waits for this one. */
  awaited: boolean
  orderId: string
  messageId: string
  kind: string
  /** What is told; gone once the call has ended. */
  told?: Told
}

/**
 * Takes due deliveries of a target in one transaction: fetches their jobs, reads what is to be told, and
 * records the attempts that lost workers left behind. The job alone says that a delivery is being worked on,
 * and pg-boss counts how often it was fetched: a later claim that finds one fetch more than attempts knows
 * that this worker died. A commit whose answer is lost is asked for, for up to 8 s. With `park`, jobs that
 * cannot be claimed for a reason of their own are left to it, in the same transaction.
 */
export async function claimDeliveries(
  deps: ClaimDeps,
  wanted: ClaimsWanted,
  park?: Park,
): Promise<ClaimedDelivery[]> {
  const toCommit: Claim = { claimed: [] }
  try {
    await claim(deps, wanted, { toCommit, park })
    return toCommit.claimed
  } catch (error) {
    if (error instanceof NotOurs) return []
    const { claimed, claimedAt } = toCommit
    if (!claimedAt || !isTransient(error)) throw error
    const ids = claimed.map(({ job }) => job.id)
    const held = await findHeld(deps.db, { queue: wanted.queue, ids, claimedAt })
    if (held.size === 0) throw error
    return claimed.filter(({ job }) => held.has(job.id))
  }
}

/** `announced`: each call is written down before it is made, so that what was not, was not called. */
export type ClaimsWanted = JobsWanted & { announced?: boolean }

/** Without a deployment: whoever owns the database. */
type ClaimDeps = Pick<WorkerDeps, 'db' | 'boss'> & Partial<Pick<WorkerDeps, 'deployment'>>

/** The database is another one than a second ago, and not ours to deliver from: rolls back what was fetched. */
class NotOurs extends Error {}

export type Park = (tx: Tx, jobs: readonly HeldJob[], error: unknown) => Promise<void>

/** What a claim's transaction found; `claimedAt` once there is nothing left but to commit. */
type Claim = { claimed: ClaimedDelivery[]; claimedAt?: string }

async function claim(
  { db, boss, deployment }: ClaimDeps,
  wanted: ClaimsWanted,
  { toCommit, park }: { toCommit: Claim; park: Park | undefined },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const jobs = await takeJobs(tx, boss, wanted)
    if (jobs.length === 0) return
    if (park) await sql`savepoint taken`.execute(tx)
    try {
      await begin(tx, jobs)
    } catch (error) {
      if (!park || isTransient(error) || error instanceof NotOurs) throw error
      await sql`rollback to savepoint taken`.execute(tx)
      await park(tx, jobs, error)
    }
  })

  async function begin(tx: Tx, jobs: readonly HeldJob[]) {
    const rows = await readClaimed(tx, { target: wanted.queue, jobs, deployment })
    if (deployment && rows[0] && !mayDeliver(deployment, rows[0].fit)) throw new NotOurs()
    const byId = new Map(rows.map((row) => [row.messageId, row]))
    const answers = await readAnswers(tx, wanted.queue, rows.filter(mayHaveAnswers))
    // A job without an open delivery was settled by hand or never was ours: nothing to tell.
    const orphans = jobs.filter((job) => !byId.has(job.id))
    const ends = orphans.map((job) => ({ job, end: { kind: 'end' } as const }))
    await endJobs(tx, boss, { queue: wanted.queue, ends })
    const claimed = jobs.flatMap((job) => {
      const row = byId.get(job.id)
      if (!row) return []
      const { orderId, messageId } = row
      const file = (name: string) => readFile(db, orderId, name)
      const standing = () => readStanding(db, { orderId, messageId, target: wanted.queue })
      const told = { ...row, answers: answers.get(job.id) ?? null, file, standing }
      const delivery = toClaimed(job, told, wanted)
      if (wanted.announced && delivery.told)
        delivery.told.announce = () => announceCall(db, { target: wanted.queue, delivery })
      return [delivery]
    })
    await recordAbandoned(
      tx,
      wanted.queue,
      claimed.filter(({ afterAbandoned }) => afterAbandoned),
    )
    toCommit.claimed = claimed
    if (rows[0]) toCommit.claimedAt = rows[0].claimedAt
  }
}

function mayHaveAnswers({ hasEarlier }: ClaimedRow): boolean {
  return hasEarlier
}

function toClaimed(
  job: HeldJob,
  row: ClaimedRow & Pick<Told, 'answers' | 'file' | 'standing'>,
  { announced = false }: ClaimsWanted,
): ClaimedDelivery {
  // Each fetch is an attempt; those between the last recorded one and this one were lost. But where calls are announced,
  // one that was not was never made; but a version that announces none shows those that take long.
  const wasCalled = !announced || row.askFirst || row.isShown
  const unrecorded = wasCalled ? Math.max(0, job.retryCount - row.lastFetch - 1) : 0
  const { lost, lostInARow } = countLost({ lostInARow: row.lostInARow, unrecorded })
  const attempt = row.attempts + lost + 1
  return {
    job,
    attempt,
    charged: attempt - row.uncharged,
    afterAbandoned: lost > 0,
    lostInARow,
    askFirst: row.askFirst || lost > 0,
    awaited: row.awaited,
    orderId: row.orderId,
    messageId: row.messageId,
    kind: row.kind,
    told: {
      document: row.document,
      receivedAt: row.receivedAt,
      payload: row.payload,
      createdAt: row.createdAt,
      edited: row.edited,
      answers: row.answers,
      file: row.file,
      standing: row.standing,
    },
  }
}
