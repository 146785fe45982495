/** Processes by what they run; one that runs several counts as one of each. */
export type RunningParts = { api: number; relay: number; worker: number }

/**
 * Connections that these may come to hold: a pool each, and for relay and worker one that listens beside it. Through
 * a pooler only those that listen reach the server, past it.
 */
export function connectionBudget(
  { api, relay, worker }: RunningParts,
  poolSize: number,
): { pooled: number; listening: number } {
  return { pooled: (api + relay + worker) * poolSize, listening: relay + worker }
}
