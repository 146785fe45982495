import type { Db } from '#database/open-database.ts'

import { checkJobs } from './check-jobs.ts'
import { checkLateness } from './check-lateness.ts'
import { checkLetters } from './check-letters.ts'
import { checkMessages } from './check-messages.ts'
import { checkOrders } from './check-orders.ts'
import { firstId } from './chunk.ts'
import type { Finding } from './finding.ts'
import { lookAgain } from './look-again.ts'
import { nextIds, nextPending } from './next-ids.ts'
import { noteOpen, noteUnrelayed } from './note-open.ts'
import { keptFindings, type Phase, phases, type Walk } from './walk.ts'

/**
 * One step of a walk: a few statements, each over some thousand rows. What it finds is looked at again before it
 * counts. Answers the walk as it is then.
 */
export async function takeStep(db: Db, walk: Walk): Promise<Walk> {
  const { place, checked, found } = await look(db, walk)
  const confirmed = await lookAgain(db, found)
  const counts = { ...walk.counts }
  for (const { kind } of confirmed) counts[kind] = (counts[kind] ?? 0) + 1
  const findings = [...walk.findings, ...confirmed].slice(0, keptFindings)
  const sum = (what: keyof Walk['checked']) => walk.checked[what] + (checked[what] ?? 0)
  return {
    ...walk,
    phase: place === null ? phaseAfter(walk.phase) : walk.phase,
    place,
    checked: {
      orders: sum('orders'),
      messages: sum('messages'),
      deliveries: sum('deliveries'),
      jobs: sum('jobs'),
    },
    counts,
    findings,
  }
}

function phaseAfter(phase: Phase): Phase {
  return phases[phases.indexOf(phase) + 1] ?? 'done'
}

type Look = {
  /** Where to go on; null: the phase is at its end. */
  place: string | null
  checked: Partial<Walk['checked']>
  found: Finding[]
}

// What PostgreSQL reads in some hundredths of a second, so that nobody notices: ids alone, or whole rows.
const idsAtATime = 20_000
const messagesAtATime = 5_000

function look(db: Db, walk: Walk): Promise<Look> {
  switch (walk.phase) {
    case 'outbox':
      return note(() => noteUnrelayed(db, { ...walk, limit: idsAtATime }))
    case 'open':
      // A full walk comes past everything.
      return note(async () =>
        walk.isFull ? null : noteOpen(db, { ...walk, upTo: walk.after, limit: idsAtATime }),
      )
    case 'orders':
      return lookAtOrders(db, walk)
    case 'messages':
      return lookAtMessages(db, walk)
    case 'pending':
      return lookAtPending(db, walk)
    case 'jobs':
      return lookAtJobs(db, walk)
    case 'letters':
      return lookAtRest(() => checkLetters(db))
    case 'lateness':
      return lookAtRest(() => checkLateness(db))
    case 'done':
      return lookAtRest(async () => [])
    default:
      return walk.phase satisfies never
  }
}

async function note(noting: () => Promise<string | null>): Promise<Look> {
  return { place: await noting(), checked: {}, found: [] }
}

async function lookAtRest(checking: () => Promise<Finding[]>): Promise<Look> {
  return { place: null, checked: {}, found: await checking() }
}

async function lookAtOrders(db: Db, walk: Walk): Promise<Look> {
  const after = walk.place ?? walk.after
  const { upTo, isLast } = await nextIds(db, 'orderwheel.orders', { after, limit: idsAtATime })
  const { orders, found } = await checkOrders(db, {
    chunk: { after, upTo },
    upTo: walk.upTo,
    newAfter: walk.watermark,
  })
  return { place: isLast ? null : upTo, checked: { orders }, found }
}

async function lookAtMessages(db: Db, walk: Walk): Promise<Look> {
  const after = walk.place ?? walk.after
  const { upTo, isLast } = await nextIds(db, 'orderwheel.messages', {
    after,
    limit: messagesAtATime,
  })
  const { messages, deliveries, found } = await checkMessages(db, {
    chunk: { after, upTo },
    upTo: walk.upTo,
  })
  return { place: isLast ? null : upTo, checked: { messages, deliveries }, found }
}

// Only those that the walks over orders and messages begin behind.
async function lookAtPending(db: Db, walk: Walk): Promise<Look> {
  const { upTo } = walk
  const after = walk.place ?? firstId
  const next = await nextPending(db, { after, upTo: walk.after, limit: messagesAtATime })
  const silent = await checkOrders(db, { chunk: { ids: next.orderIds }, upTo, newAfter: null })
  const open = await checkMessages(db, { chunk: { ids: next.messageIds }, upTo })
  const { messages, deliveries } = open
  return {
    place: next.last,
    checked: { orders: silent.orders + open.orders, messages, deliveries },
    found: [...silent.found, ...open.found],
  }
}

// `<queue> <id>`: a queue's name has no spaces.
async function lookAtJobs(db: Db, { queues, place }: Walk): Promise<Look> {
  const [queue = queues[0], after = firstId] = place?.split(' ') ?? []
  if (queue === undefined) return { place: null, checked: {}, found: [] }
  const { upTo, isLast } = await nextIds(db, { queue }, { after, limit: idsAtATime })
  const { jobs, found } = await checkJobs(db, { queue, chunk: { after, upTo } })
  const nextQueue = queues[queues.indexOf(queue) + 1]
  const next = isLast ? nextQueue && `${nextQueue} ${firstId}` : `${queue} ${upTo}`
  return { place: next ?? null, checked: { jobs }, found }
}
