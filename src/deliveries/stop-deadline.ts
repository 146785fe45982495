import type { Target } from '#targets/target.ts'

/** Seconds kept of a worker's stop deadline for writing down the outcomes of what was handed back. */
export const settleSeconds = 2

/** Seconds that calls in flight get to end when a worker has `stopSeconds` to stop. */
export function callSecondsAtStop(stopSeconds: number): number {
  return Math.max(0, stopSeconds - settleSeconds)
}

type Callable = Pick<Target, 'name' | 'timeoutSeconds' | 'idempotent'> & {
  kind?: Target['kind']
}

export type CutShort = {
  targets: string[]
  /** What a stop does to their calls, and what to set. */
  reason: string
  /** Whether a person will have to look at a delivery that was cut short. */
  severe: boolean
}

/** The targets whose calls may take longer than a stop gives them, those that may be told twice apart. */
export function findCutShort(targets: readonly Callable[], stopSeconds: number): CutShort[] {
  const given = callSecondsAtStop(stopSeconds)
  // A report that is cut short is begun anew, and no platform waits for as long as one may take.
  const long = targets.filter(
    ({ timeoutSeconds, kind }) => timeoutSeconds > given && kind !== 'reports',
  )
  const kinds = [...Map.groupBy(long, ({ idempotent }) => idempotent)]
  return kinds.map(([idempotent, cut]) => ({
    targets: cut.map(({ name }) => name),
    severe: !idempotent,
    reason: explain(cut, given, idempotent),
  }))
}

function explain(cut: readonly Callable[], given: number, idempotent: boolean): string {
  const calls = cut.map(({ name, timeoutSeconds }) => `${name} (up to ${timeoutSeconds} s)`)
  const longest = Math.max(...cut.map(({ timeoutSeconds }) => timeoutSeconds))
  const enough = Math.ceil(longest) + settleSeconds
  const end = idempotent
    ? 'are made again with the same Idempotency-Key'
    : 'leave deliveries uncertain, for a person to decide'
  return `when the worker stops, calls of ${calls.join(', ')} get ${given} s; those cut short ${end}. To let them end, set ORDERWHEEL_STOP_SECONDS to ${enough}, and let the platform kill 4 s later or more`
}
