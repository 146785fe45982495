import { NoAnswerError } from './no-answer-error.ts'
import { pauseMs } from './pause-ms.ts'
import { ProblemError } from './problem-error.ts'
import { readAnswer } from './read-answer.ts'
import { waitFor } from './wait-for.ts'

export type Connection = {
  fetch: typeof globalThis.fetch
  timeoutSeconds: number
  attemptTimeoutSeconds: number
}

export type PatientRequest = {
  url: URL
  init: RequestInit
  signal?: AbortSignal | undefined
  /** For the error, so that whoever reads it can go on with the same. */
  idempotencyKey?: string
}

/**
 * Sends a request that may be repeated until it is answered, and answers what was. Repeats what got no answer, and
 * what may well be answered otherwise in a moment, after a pause of full jitter that is not shorter than
 * `Retry-After`. Gives up at once when that would end after the deadline.
 */
export async function sendPatiently(
  connection: Connection,
  { url, init, signal, idempotencyKey }: PatientRequest,
): Promise<unknown> {
  const { fetch, timeoutSeconds, attemptTimeoutSeconds } = connection
  // Throws for what no header may hold, which `fetch` reports as it reports a network that is down.
  const headers = new Headers(init.headers)
  const deadline = performance.now() + timeoutSeconds * 1_000
  let mayBeDone = false
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    const left = Math.max(0, deadline - performance.now())
    const timeout = AbortSignal.timeout(Math.ceil(Math.min(left, attemptTimeoutSeconds * 1_000)))
    const until = signal ? AbortSignal.any([signal, timeout]) : timeout
    const failed = await readAnswer(() =>
      fetch(url, { ...init, headers, redirect: 'manual', signal: until }),
    )
    if (!(failed instanceof Error)) return failed.value
    signal?.throwIfAborted()
    const refusal = failed instanceof ProblemError ? failed : undefined
    if (refusal && !refusal.mayBeRepeated) throw refusal
    mayBeDone ||= !refusal?.nothingWasDone
    const pause = pauseMs(attempt, refusal?.retryAfterSeconds)
    if (performance.now() + pause >= deadline) {
      const isUnknown = mayBeDone && idempotencyKey !== undefined
      if (refusal && !isUnknown) throw refusal
      throw new NoAnswerError(attempt, { cause: failed, idempotencyKey })
    }
    await waitFor(pause, signal)
  }
}
