import type { Settlement } from './decide-settlement.ts'
import type { WorkerDeps } from './worker-deps.ts'

const named = 5

/**
 * Says which attempts ended after another worker took their jobs. `others` are those that a settlement found
 * to be no longer ours, which is so as well when it is repeated because its commit's answer was lost.
 */
export async function logLost(
  deps: Pick<WorkerDeps, 'db' | 'log' | 'worker'>,
  target: string,
  others: readonly Settlement[],
): Promise<void> {
  const ended = others.filter(({ attempt }) => attempt)
  if (ended.length === 0) return
  const recorded = await findRecorded(deps, target, ended)
  const lost = ended
    .map(({ delivery, attempt }) => ({
      messageId: delivery.messageId,
      attempt: delivery.attempt,
      outcome: attempt?.outcome,
    }))
    .filter(({ messageId, attempt }) => !recorded.has(`${messageId} ${attempt}`))
  if (lost.length === 0) return
  deps.log.warn(
    { target, lost: lost.length, attempts: lost.slice(0, named) },
    'attempts ended after another worker took their jobs',
  )
}

/** The attempts that this worker has recorded itself: what somebody else recorded about it is `abandoned`. */
async function findRecorded(
  { db, worker }: Pick<WorkerDeps, 'db' | 'worker'>,
  target: string,
  ended: readonly Settlement[],
): Promise<Set<string>> {
  const messageIds = ended.map(({ delivery }) => delivery.messageId)
  const rows = await db
    .selectFrom('orderwheel.delivery_attempts')
    .select(['message_id', 'number'])
    .where('target', '=', target)
    .where('message_id', 'in', messageIds)
    .where('worker', '=', worker)
    .where('outcome', '!=', 'abandoned')
    .execute()
  return new Set(rows.map((row) => `${row.message_id} ${row.number}`))
}
