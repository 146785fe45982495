import type { Boss } from './open-boss.ts'

/** What a queue needs to know of its target. */
export type QueueOptions = {
  name: string
  retry: { delaySeconds: number; maxDelaySeconds: number }
}

/** The dead-letter queue of a target's queue. */
export function deadLetterQueue(target: string): string {
  return `${target}.dead`
}

const days = 86_400

/**
 * Creates each target's queue and dead-letter queue, or brings an existing one up to date. Safe from
 * several processes at once.
 */
export async function declareQueues(boss: Boss, targets: readonly QueueOptions[]): Promise<void> {
  for (const target of targets) {
    const settings = queueSettings(target)
    // The archive is our table dead_letters; this is a copy for those who look into pg-boss.
    const dead = { retentionSeconds: 30 * days, deleteAfterSeconds: 7 * days }
    // The dead-letter queue first: pg-boss refuses a queue whose dead-letter queue does not exist.
    await boss.createQueue(deadLetterQueue(target.name), { ...dead, partition: true })
    await boss.updateQueue(deadLetterQueue(target.name), dead)
    // exclusive: one queued or active job for each singleton key (message kind and order).
    await boss.createQueue(target.name, { ...settings, policy: 'exclusive', partition: true })
    await boss.updateQueue(target.name, settings)
  }
}

// pg-boss silently deletes jobs that waited for longer than this; a backlog must never expire.
const keepForGood = 3_650 * days

// pg-boss's own monitor is the floor beneath rescueJobs: it cannot tell an outage from a lost worker.
const heartbeatSeconds = 60

function queueSettings({ name, retry }: QueueOptions) {
  return {
    deadLetter: deadLetterQueue(name),
    heartbeatSeconds,
    // The most pg-boss allows. Lost workers are found by their heartbeat; a job whose worker beats may wait for
    // its turn at a target with a rate, call for as long as the target may take, and be written down.
    expireInSeconds: days - 1,
    retentionSeconds: keepForGood,
    // Finished jobs are only debris: deliveries and attempts are the history.
    deleteAfterSeconds: days,
    // How many attempts a delivery gets is decided by the delivery's own count and the target's
    // current options, so that raising it helps deliveries that are already waiting.
    // Each fetch counts here, also those of an outage that costs no attempt.
    retryLimit: 2_000_000_000,
    retryDelay: retry.delaySeconds,
    retryBackoff: true,
    retryDelayMax: retry.maxDelaySeconds,
  }
}
