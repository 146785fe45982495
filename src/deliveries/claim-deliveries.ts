import { sql } from 'kysely'

import { onlyDeployment } from '#base/deployment.ts'
import { withinIds } from '#database/id-bounds.ts'
import type { Tx } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'
import type { Order } from '#messages/order.ts'
import { mayDeliver, ownerFit, type OwnerFit } from '#owner/owner-fit.ts'
import { type HeldJob, type JobsWanted, endJobs, takeJobs } from '#queues/jobs.ts'
import { answersOf, type EarlierAnswers } from '#targets/earlier-answers.ts'
import { NoOrder } from '#targets/no-order.ts'
import type { Call, MessageToTell, OrderToTell } from '#targets/target.ts'

import { announceCall } from './announce-call.ts'
import { findHeld } from './find-held.ts'
import { readFile } from './keep-files.ts'
import { readAnswers, type StoredAnswers } from './read-answers.ts'
import { readStanding } from './read-standing.ts'
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

/** As it came from the database: read when the call is made, since many deliveries may wait for theirs. */
type Told = {
  /** Null, as `receivedAt`: the message is about no order. */
  document: string | null
  receivedAt: number | null
  payload: unknown
  createdAt: number
  /** Null, for nearly all. */
  edited: unknown
  answers: StoredAnswers | null
  file: Call['file']
  standing: Call['standing']
  /** Writes down that it is about to be called. False: it is not ours any more. Absent: nobody asks. */
  announce?: () => Promise<boolean>
}

/** The order and the message as a target is given them. The order is parsed when it is first looked at. */
export function readTold({
  orderId,
  messageId,
  kind,
  told,
}: Pick<ClaimedDelivery, 'orderId' | 'messageId' | 'kind' | 'told'>): {
  readonly order: OrderToTell
  message: MessageToTell
  answers: EarlierAnswers
  file: Call['file']
  standing: Call['standing']
  edited: unknown
} {
  if (!told) throw new Error(`Delivery of message ${messageId} was called already.`)
  const { document, receivedAt, payload, createdAt, edited, answers, file, standing } = told
  const isAboutOrder = document !== null && receivedAt !== null
  let order: OrderToTell | undefined
  return {
    get order() {
      if (!isAboutOrder) throw new NoOrder({ id: messageId, kind })
      order ??= {
        ...(JSON.parse(document) as Order),
        id: orderId,
        receivedAt: isoTime(receivedAt),
      }
      return order
    },
    message: {
      id: messageId,
      kind,
      orderId: isAboutOrder ? orderId : null,
      payload,
      createdAt: isoTime(createdAt),
    },
    answers: answersOf(answers),
    file,
    standing,
    edited,
  }
}

// Down to the millisecond, as everywhere; a float is a fraction of a microsecond off.
function isoTime(epochSeconds: number): string {
  return new Date(Math.floor(epochSeconds * 1_000 + 0.000_5)).toISOString()
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
    const rows = await readDeliveries(tx, { target: wanted.queue, jobs, deployment })
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

type ToRead = {
  target: string
  jobs: readonly HeldJob[]
  deployment: ClaimDeps['deployment'] | undefined
}

type Row = {
  messageId: string
  orderId: string
  attempts: number
  uncharged: number
  lastFetch: number
  lostInARow: number
  askFirst: boolean
  awaited: boolean
  kind: string
  payload: unknown
  createdAt: number
  document: string | null
  receivedAt: number | null
  edited: unknown
  hasEarlier: boolean
  claimedAt: string
  fit: OwnerFit
}

// Nothing is locked: the job, which is, keeps everybody else away. `offset 0`: looked up one by one, where
// statistics of a moment ago may make PostgreSQL read a whole table for a few hundred of its rows. Times come as
// seconds, which cost less than text on both sides.
//
// Whose database this is, is asked here once more: the worker's last look may have been at another one, before a
// failover or a changed name led its new connections to a restored copy.
async function readDeliveries(
  tx: Tx,
  { target, jobs, deployment = onlyDeployment }: ToRead,
): Promise<Row[]> {
  const messageIds = jobs.map((job) => job.id)
  const ids = `{${messageIds.join(',')}}`
  const { rows } = await sql<Row>`
    select d.message_id as "messageId", d.order_id as "orderId", d.attempts, d.uncharged,
           d.last_fetch as "lastFetch", d.lost_in_a_row as "lostInARow", d.ask_first as "askFirst", d.awaited,
           d.edited, d.after <> '{}' or m.kind <> 'order.placed' as "hasEarlier", m.kind, m.payload,
           date_part('epoch', m.created_at) as "createdAt",
           o.document::text as document, date_part('epoch', o.received_at) as "receivedAt",
           now()::text as "claimedAt", ${ownerFit(deployment)} as fit
      from orderwheel.deliveries d
     cross join lateral (
             select * from orderwheel.messages where id = d.message_id and ${withinIds('id', messageIds)} offset 0) m
      left join lateral (select * from orderwheel.orders where id = d.order_id offset 0) o on true
     where d.message_id = any(${ids}::uuid[]) and ${withinIds('d.message_id', messageIds)}
       and d.target = ${target} and d.settled_at is null`.execute(tx)
  return rows
}

function mayHaveAnswers({ hasEarlier }: Row): boolean {
  return hasEarlier
}

function toClaimed(
  job: HeldJob,
  row: Row & Pick<Told, 'answers' | 'file' | 'standing'>,
  { announced = false }: ClaimsWanted,
): ClaimedDelivery {
  // Each fetch is an attempt; those between the last recorded one and this one were lost. But where calls are announced,
  // one that was not was never made.
  const wasCalled = !announced || row.askFirst
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
