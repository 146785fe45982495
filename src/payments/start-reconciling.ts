import { type Repetition, repeatPass } from '#base/repeat-pass.ts'

import { reconcilePayments, type ReconcileOptions } from './reconcile-payments.ts'

// Buyers look at a page that says their payment is being confirmed; idle, it is a fifth of a statement a second.
const everySeconds = 10

/** Asks the gateway again, until it is known of every order whether it was paid. */
export function startReconciling(options: ReconcileOptions): Repetition {
  const { log } = options
  const pass = async () => {
    const asked = await reconcilePayments(options)
    // There may be more.
    if (asked > 0) repetition.runNow()
  }
  const onError = (error: unknown) =>
    log.warn({ err: error }, 'payments cannot be reconciled, trying again')
  const repetition = repeatPass(pass, { everyMs: everySeconds * 1_000, onError })
  repetition.runNow()
  return repetition
}

/** Until none is due or `signal` aborts; answers how many were asked about. For cron-style deployments. */
export async function reconcileAll(
  options: ReconcileOptions,
  signal: AbortSignal,
): Promise<number> {
  let total = 0
  while (!signal.aborted) {
    const asked = await reconcilePayments(options)
    if (asked === 0) break
    total += asked
  }
  return total
}
