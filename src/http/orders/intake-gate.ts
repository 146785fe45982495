import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import { HttpProblem } from '#http/http-problem.ts'
import type { IntakeLimits } from '#messages/intake-limits.ts'
import { resumesAt } from '#messages/intake-limits.ts'
import { type Backlog, isOver, readBacklog } from '#outbox/read-backlog.ts'

/** Keeps further orders, messages and reports out while more wait to be relayed than the limit. */
export type IntakeGate = {
  /** Costs nothing: of what was read a moment ago. */
  isClosed: () => boolean
  /** The 429 for somebody who is kept out now. */
  refuse: () => HttpProblem
  /** For /metrics, of this process. */
  report: () => { isClosed: boolean; refused: number }
}

export type IntakeGateOptions = {
  db: Db
  log: Log
  limits: IntakeLimits
  /** Milliseconds. */
  now?: (() => number) | undefined
}

type Seen = Backlog & { at: number; isOver: boolean }

const readAfterMs = 1_000
// A count of a million rows takes a tenth of a second: no more than a twentieth of the time is spent on it.
const pauseForEachMs = 20
// What was read longer ago keeps nobody out: an idle process does not read, and one that cannot read knows nothing.
const believedMs = 10_000

/**
 * Reads when somebody comes, at most once a second, and lets them in meanwhile. When it cannot read, everybody is let in:
 * the limit protects from a backlog, not from a database that is ill.
 */
export function createIntakeGate({
  db,
  log,
  limits,
  now = () => performance.now(),
}: IntakeGateOptions): IntakeGate {
  let seen: Seen | undefined
  let drainedPerSecond: number | undefined
  let nextAt = 0
  let believedUntil = 0
  let isReading = false
  let refused = 0

  async function read() {
    isReading = true
    const begunAt = now()
    try {
      learn(await readBacklog(db, limits), begunAt)
    } catch (error) {
      log.warn({ err: error }, 'the backlog cannot be read, orders are taken')
      if (seen) seen.isOver = false
    }
    nextAt = now() + Math.max(readAfterMs, pauseForEachMs * (now() - begunAt))
    believedUntil = nextAt + believedMs
    isReading = false
  }

  function learn(backlog: Backlog, at: number) {
    const before = seen
    seen = { ...backlog, at, isOver: isOver(backlog, limits, before?.isOver ?? false) }
    drainedPerSecond = before && drained(before, seen, drainedPerSecond)
    if (seen.isOver === (before?.isOver ?? false)) return
    const { waiting, oldestSeconds } = backlog
    if (seen.isOver)
      log.warn({ waiting, oldestSeconds }, 'orders are refused: too much waits to be relayed')
    else log.info({ waiting }, 'orders are taken again')
  }

  function isClosed(): boolean {
    const at = now()
    if (at >= nextAt && !isReading) void read()
    return Boolean(seen?.isOver) && at < believedUntil
  }

  return {
    isClosed,
    refuse() {
      refused += 1
      const seconds = retryAfterSeconds(seen, limits, drainedPerSecond)
      return new HttpProblem(
        'intake-overloaded',
        {
          detail: `Nothing was stored: more waits to be told than is taken. Repeat the request with the same Idempotency-Key, if it has one.`,
        },
        { 'retry-after': String(seconds) },
      )
    },
    report: () => ({ isClosed: Boolean(seen?.isOver) && now() < believedUntil, refused }),
  }
}

/** What the relays took out between two readings, evened out. Undefined: it cannot be said. */
function drained(before: Seen, after: Seen, usual: number | undefined): number | undefined {
  const seconds = (after.at - before.at) / 1_000
  if (!before.isExact || !after.isExact || seconds <= 0) return usual
  const came = after.newest - before.newest
  const rate = Math.max(0, came - (after.waiting - before.waiting)) / seconds
  return usual === undefined ? rate : (rate + usual) / 2
}

// When nothing is known of the rate; and when nothing moves, or it would take longer than that, how soon to look again.
const unknownSeconds = 10
const longestSeconds = 60

/** When room is to be expected, and up to as long again at random, so that not everybody comes at once. 1 … 120. */
function retryAfterSeconds(
  seen: Seen | undefined,
  { maxWaiting }: IntakeLimits,
  drainedPerSecond: number | undefined,
): number {
  const tooMany = Math.max(1, (seen?.waiting ?? 0) - maxWaiting * resumesAt)
  const expected = drainedPerSecond === undefined ? unknownSeconds : tooMany / drainedPerSecond
  const seconds = Math.min(longestSeconds, Math.max(1, expected))
  return Math.ceil(seconds * (1 + Math.random()))
}
