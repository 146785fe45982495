import { setTimeout } from 'node:timers/promises'

/** Waits the latency, give or take the jitter, divided by the simulator's speed. */
export type Wait = (behaviour: { latencyMs: number; jitterMs: number }) => Promise<void>

/** Waits end early, by throwing, when `stopped` aborts. */
export function createWait(speed: number, stopped: AbortSignal): Wait {
  return async ({ latencyMs, jitterMs }) => {
    const ms = (latencyMs + jitterMs * (2 * Math.random() - 1)) / speed
    if (ms > 0) await setTimeout(ms, undefined, { signal: stopped })
  }
}
