import type { Db } from '#database/open-database.ts'

import { checkJobs } from './check-jobs.ts'
import { checkLateness } from './check-lateness.ts'
import { checkLetters } from './check-letters.ts'
import { findInMessages } from './check-messages.ts'
import { findInOrders } from './check-orders.ts'
import { type Finding, type FindingKind, findingKey } from './finding.ts'

/** Those of the findings that are still there, whatever kinds they are of. */
export async function lookAgain(db: Db, found: readonly Finding[]): Promise<Finding[]> {
  if (found.length === 0) return []
  const bySource = Map.groupBy(found, ({ kind }) => sourceOf[kind])
  const there: Finding[] = []
  for (const [source, of] of bySource) there.push(...(await find(db, source, of)))
  const keys = new Set(there.map(findingKey))
  return found.filter((finding) => keys.has(findingKey(finding)))
}

type Source = 'orders' | 'messages' | 'jobs' | 'letters' | 'lateness'

const sourceOf: Readonly<Record<FindingKind, Source>> = {
  'order-without-message': 'orders',
  'message-missing': 'messages',
  'delivery-missing': 'messages',
  'delivery-not-routed': 'messages',
  'job-missing': 'messages',
  'letter-missing': 'messages',
  'attempt-missing': 'messages',
  'waiting-for-nothing': 'messages',
  'not-awaited': 'messages',
  'job-without-delivery': 'jobs',
  'job-silent': 'jobs',
  'job-overtaken': 'jobs',
  'letter-without-death': 'letters',
  'message-refused': 'lateness',
  'message-late': 'lateness',
  'payment-unknown': 'lateness',
  'target-idle': 'lateness',
}

async function find(db: Db, source: Source, of: readonly Finding[]): Promise<Finding[]> {
  switch (source) {
    case 'orders':
      return findInOrders(db, { ids: of.flatMap(({ orderId }) => orderId ?? []) })
    case 'messages':
      return findInMessages(db, { ids: messageIds(of) })
    case 'jobs':
      return findInQueues(db, of)
    case 'letters':
      return checkLetters(db)
    case 'lateness':
      return checkLateness(db)
    default:
      return source satisfies never
  }
}

async function findInQueues(db: Db, found: readonly Finding[]): Promise<Finding[]> {
  const there: Finding[] = []
  for (const [queue, of] of Map.groupBy(found, ({ target }) => target ?? ''))
    there.push(...(await checkJobs(db, { queue, chunk: { ids: messageIds(of) } })).found)
  return there
}

function messageIds(found: readonly Finding[]): string[] {
  return [...new Set(found.flatMap(({ messageId }) => messageId ?? []))]
}
