import { tryAgain, uncertain, type Outcome } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import type { Call } from '#targets/target.ts'
import { withinDeadline } from '#targets/within-deadline.ts'

/** At most `size` calls; the first of them waits at most `waitSeconds` for others. */
export type BatchLimits = { size: number; waitSeconds: number }

/**
 * Makes one call of many: `send` is given those that were begun within a moment, and answers an outcome for each, in
 * their order. Its signal aborts when all of them have ended. A call that ends early ends alone.
 */
export function collectBatches(
  { size, waitSeconds }: BatchLimits,
  send: (calls: readonly Call[], signal: AbortSignal) => Promise<readonly Outcome[]>,
): (call: Call) => Promise<Outcome> {
  let open: Collected[] = []
  let timer: NodeJS.Timeout | undefined

  function close() {
    clearTimeout(timer)
    timer = undefined
    const batch = open
    open = []
    if (batch.length > 0) void sendBatch(batch)
  }

  async function sendBatch(batch: readonly Collected[]) {
    const controller = new AbortController()
    let left = batch.length
    const leave = () => {
      left -= 1
      if (left === 0) controller.abort()
    }
    const calls = batch.map(({ call }) => call)
    for (const { signal } of calls) signal.addEventListener('abort', leave, { once: true })
    const outcomes = await send(calls, controller.signal).catch((error: unknown) =>
      calls.map(() => tryAgain(storableReason(reasonOf(error)))),
    )
    for (const { signal } of calls) signal.removeEventListener('abort', leave)
    batch.forEach(({ resolve }, index) => resolve(outcomes[index] ?? tryAgain('not answered for')))
  }

  return (call) => {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const collected = { call, resolve }
    open.push(collected)
    if (open.length >= size) close()
    else timer ??= setTimeout(close, waitSeconds * 1_000)
    return withinDeadline(promise, call.signal, (reason) => {
      const why = reasonOf(reason)
      if (!open.includes(collected)) return uncertain(`sent with others, but no answer: ${why}`)
      open = open.filter((other) => other !== collected)
      return tryAgain(`not sent: ${why}`)
    })
  }
}

type Collected = { call: Call; resolve: (outcome: Outcome) => void }
