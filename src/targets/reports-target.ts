import { giveUp } from './outcome.ts'
import { targetDefaults, type Target } from './target.ts'

/** The target that is always there, without an entry in the configuration. */
export const reportsTargetName = 'reports'

/**
 * Makes reports, in a worker: with retries, dead letters and replays like any target's. As the configuration has it, it
 * makes none: a worker gives it a `call` that knows the database.
 */
export function createReportsTarget(): Target {
  return {
    ...targetDefaults,
    name: reportsTargetName,
    kind: 'reports',
    // The longest there is: a million orders take minutes, and a worker that is lost is noticed by its heartbeat.
    timeoutSeconds: 3_600,
    // Each reads orders as fast as it can: two do not keep the database from taking orders.
    concurrency: 2,
    priority: 'low',
    // What would fail is the database that counts failures.
    circuit: null,
    // Somebody waits for it: half an hour, and then a person looks.
    retry: { attempts: 8, delaySeconds: 10, maxDelaySeconds: 600 },
    call: async () =>
      giveUp('only a worker makes reports, of what was asked for with POST /reports'),
    close: async () => {},
  }
}
