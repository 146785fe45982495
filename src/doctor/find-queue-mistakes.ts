import type { Db } from '#database/open-database.ts'
import { deadLetterQueue } from '#queues/declare-queues.ts'
import { readQueues, type QueueReport } from '#queues/read-queues.ts'

import { sayAge } from './say-age.ts'
import type { ExaminedTarget, Examination, Patient } from './examination.ts'
import type { Finding } from './finding.ts'

export const queueMistakes: Examination = {
  subject: 'a queue for each target that lasts as long as its retries, and none besides',
  async examine(patient) {
    if (patient.unconfigured !== undefined) return { findings: [], unseen: patient.unconfigured }
    const queues = new Map((await readQueues(patient.db)).map((queue) => [queue.name, queue]))
    const declared = await readDeclared(patient.db)
    return {
      findings: [
        ...findMissing(patient, queues),
        ...patient.targets.flatMap((target) => {
          const queue = queues.get(target.name)
          return queue
            ? [...findShortRetention(target, queue), ...findShortExpiry(target, queue)]
            : []
        }),
        ...findUnknown(patient, queues, declared),
      ],
    }
  },
}

type Queues = ReadonlyMap<string, QueueReport>

function findMissing({ targets, routes }: Patient, queues: Queues): Finding[] {
  const routed = new Set(Object.values(routes).flat())
  const missing = targets
    .filter(({ name }) => routed.has(name))
    .flatMap(({ name }) => [name, deadLetterQueue(name)])
    .filter((name) => !queues.has(name))
  return missing.map((name) => ({
    kind: 'queue-missing',
    severity: 'error',
    what: `Queue ${name} does not exist, and messages are routed to its target.`,
    why: 'The relay refuses every message that is routed there, for all of its targets.',
    fix: 'Start a relay or worker of this configuration: each declares the queues of its targets when it starts.',
  }))
}

function findShortRetention(target: ExaminedTarget, queue: QueueReport): Finding[] {
  const windowSeconds = longestRetries(target)
  if (queue.retentionSeconds >= windowSeconds) return []
  return [
    {
      kind: 'retention-too-short',
      severity: 'error',
      what: `Queue ${queue.name} keeps a waiting job for ${sayAge(queue.retentionSeconds)}, and its target is tried for up to ${sayAge(windowSeconds)}, not counting outages.`,
      why: 'pg-boss deletes what waits longer, silently: those deliveries would never be made nor given up.',
      fix: `Start a relay or worker, which sets it; at once: update pgboss.queue set retention_seconds = 315360000 where name = '${queue.name}'; update pgboss.job set keep_until = now() + interval '3650 days' where name = '${queue.name}' and state < 'active';`,
    },
  ]
}

function findShortExpiry({ timeoutSeconds }: ExaminedTarget, queue: QueueReport): Finding[] {
  if (queue.expireSeconds > timeoutSeconds) return []
  return [
    {
      kind: 'expiry-too-short',
      severity: 'error',
      what: `Queue ${queue.name} lets a job run for ${sayAge(queue.expireSeconds)}, and a call of its target may take ${sayAge(timeoutSeconds)}.`,
      why: 'A call that is still under way is given to another worker: the target is told twice.',
      fix: `Start a relay or worker, which sets it; at once: update pgboss.queue set expire_seconds = 86399 where name = '${queue.name}';`,
    },
  ]
}

/** Every target that a process ever declared: another application may have queues of its own in the same pg-boss. */
async function readDeclared(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('orderwheel.targets').select('name').execute()
  return rows.map(({ name }) => name)
}

function findUnknown({ targets }: Patient, queues: Queues, declared: readonly string[]): Finding[] {
  const known = new Set(targets.map(({ name }) => name))
  const ours = declared.filter((name) => !known.has(name))
  const unknown = ours
    .flatMap((name) => [queues.get(name), queues.get(deadLetterQueue(name))])
    .filter((queue) => queue !== undefined)
  return unknown.map(({ name, isUsed }) => ({
    kind: 'queue-without-target',
    severity: isUsed ? 'error' : 'warning',
    what: `Queue ${name} belongs to no target of the configuration${isUsed ? ', and jobs wait in it' : ', and is empty'}.`,
    why: isUsed
      ? 'Nobody works on them.'
      : 'It is looked after for nothing, and hides a name that was misspelt.',
    fix: isUsed
      ? `Put the target back into the configuration until they are delivered, or decide on them: orderwheel order <id> --skip`
      : `select pgboss.delete_queue('${name}');`,
  }))
}

/** The longest that all attempts may take: each wait is at most twice its delay, and each call its timeout. */
function longestRetries({ retry, timeoutSeconds }: ExaminedTarget): number {
  let seconds = timeoutSeconds * retry.attempts
  for (let failed = 1; failed < retry.attempts; failed += 1)
    seconds += Math.min(retry.maxDelaySeconds, retry.delaySeconds * 2 ** failed)
  return seconds
}
