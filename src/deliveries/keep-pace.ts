import { setTimeout } from 'node:timers/promises'

import { bookCalls, timing } from '#limits/book-calls.ts'
import type { Rate } from '#targets/target.ts'

import type { WorkerDeps } from './worker-deps.ts'

/** A call's turn: it may begin from `at` until `latest` (performance.now()), which `take` waits for. */
export type Turn = { at: number; latest: number }

export type Pace = {
  /** The rate as it is now. When it changed, turns that are still to come are given up for new ones. */
  heed(rate: Rate | null): void
  /** How many calls may be claimed now, so that none waits for its turn for much longer than a second. */
  room(rate: Rate): number
  /** Milliseconds until there is room; 0 when there is. */
  untilRoom(rate: Rate): number
  /**
   * One turn for each of `count` calls, in one query, each of which may begin `lateMs` late or a little more. Undefined:
   * the target has no rate any more.
   */
  book(count: number, lateMs?: number): Promise<Turn[] | undefined>
  /**
   * Waits for a turn, or for another one when it is missed. Answers until when the call may begin; undefined: `signal`
   * aborted first.
   */
  take(turn: Turn, signal: AbortSignal): Promise<number | undefined>
}

// Claimed deliveries that wait for their turn occupy slots.
const aheadMs = 1_000
// Further away than that, a rate is the least of its worries.
const maxAnswerMs = 2_000
const maxTimerMs = 2 ** 31 - 1

/** Keeps a target's rate, which all workers share, by turns that are booked ahead in the database. */
export function keepPace(target: string, { db }: Pick<WorkerDeps, 'db'>): Pace {
  let nextAt = -Infinity
  let paced: string | undefined
  let rateChanged = new AbortController()

  // How long the last two answers took: turns that are over when the answer comes are no use. The shorter counts:
  // a single long one, because this process was frozen or the database busy, says nothing of the next.
  let answersMs: readonly [number, number] = [0, 0]

  async function book(count: number, atLeastMs = 0): Promise<Turn[] | undefined> {
    // With the connection in hand: waiting for one is not the server's time.
    const asked = await db.connection().execute(async (connection) => {
      const askedAt = performance.now()
      const booking = await bookCalls(connection, {
        target,
        count,
        leastLateMs: Math.max(atLeastMs, 3 * Math.min(...answersMs)),
      })
      return booking && { askedAt, ...booking }
    })
    if (!asked) return undefined
    const { askedAt, firstInMs, spacingMs, lateMs } = asked
    // The server's "now" was between the question and the answer: not too early by the one, not too late by the other.
    const answeredAt = performance.now()
    answersMs = [answersMs[1], Math.min(maxAnswerMs, answeredAt - askedAt)]
    nextAt = answeredAt + firstInMs + count * spacingMs
    return Array.from({ length: count }, (_, place) => ({
      at: answeredAt + firstInMs + place * spacingMs,
      latest: askedAt + firstInMs + place * spacingMs + lateMs,
    }))
  }

  return {
    book,
    heed(rate) {
      const now = JSON.stringify([rate?.max, rate?.perSeconds])
      if (paced !== undefined && paced !== now) {
        nextAt = -Infinity
        rateChanged.abort()
        rateChanged = new AbortController()
      }
      paced = now
    },
    room(rate) {
      const ahead = performance.now() + aheadMs - nextAt
      if (ahead < 0) return 0
      return Math.floor(Math.min(ahead, aheadMs) / timing(rate).spacingMs) + 1
    },
    untilRoom: () => Math.max(0, nextAt - performance.now() - aheadMs),
    async take(turn, signal) {
      for (let next: Turn | undefined = turn; next; next = (await book(1))?.[0]) {
        const changed = rateChanged.signal
        await waitUntil(next.at, AbortSignal.any([signal, changed]))
        if (signal.aborted) return undefined
        if (!changed.aborted && performance.now() <= next.latest) return next.latest
      }
      return Infinity
    },
  }
}

async function waitUntil(at: number, signal: AbortSignal): Promise<void> {
  // Timers are early by a fraction of a millisecond, and know no more than 24 days.
  for (
    let wait = at - performance.now();
    wait > 0 && !signal.aborted;
    wait = at - performance.now()
  ) {
    await setTimeout(Math.min(Math.max(wait, 1), maxTimerMs), undefined, { signal }).catch(() => {})
  }
}
