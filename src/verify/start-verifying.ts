import { type Repetition, repeatPass } from '#base/repeat-pass.ts'
import { raiseAlert } from '#alerts/raise-alert.ts'
import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import { isOfTheStatement, isTransient } from '#database/transient-error.ts'

import { type Claim, ClaimLost, claimVerification, releaseClaim } from './claim-verification.ts'
import { type Due, readDue, readRequest } from './due-verification.ts'
import { putDownWalk, takeUpWalk } from './full-walk.ts'
import type { Verification } from './read-verification.ts'
import { recordFailure } from './record-failure.ts'
import { runWalk } from './run-walk.ts'
import { finish, verify } from './verify.ts'

export type VerifyingOptions = {
  db: Db
  log: Log
  /** Shown as who asked: this process. */
  who: string
  /** How often it looks whether one is due. Default 15: it is one of two statements a second that idling may cost. */
  lookSeconds?: number
}

// A full verification goes on for so long, and lets others between.
const sliceSeconds = 60

/**
 * Verifies every 5 minutes what is open or new, and everything once a day, bit by bit; and when somebody asks for it.
 * With rests, so that the intake does not feel it. One at a time, whatever the number of processes.
 */
export function startVerifying(options: VerifyingOptions): Repetition {
  const { db, log, lookSeconds = 15 } = options
  const stopping = new AbortController()
  const pass = async () => {
    const due = await readDue(db)
    if (due.sinceLast || due.full) await inTurn(options, due, stopping.signal)
  }
  const onError = (error: unknown) => {
    if (!stopping.signal.aborted) log.warn({ err: error }, 'verification interrupted, trying again')
  }
  const repetition = repeatPass(pass, { everyMs: lookSeconds * 1_000, onError })
  repetition.runNow()
  return {
    runNow: repetition.runNow,
    stop() {
      stopping.abort()
      return repetition.stop()
    },
  }
}

async function inTurn(options: VerifyingOptions, due: Due, signal: AbortSignal): Promise<void> {
  const { db, who } = options
  const claim = await claimVerification(db, who)
  if (!claim) return
  let isFull = false
  try {
    const requestedBy = (await readRequest(db)) ?? who
    if (due.sinceLast) await verifySinceLast(options, { claim, requestedBy, signal })
    isFull = due.full
    if (isFull) await verifyOn(options, { claim, requestedBy, signal })
  } catch (error) {
    await fail(options, { claim, error, isFull })
    throw error
  } finally {
    await releaseClaim(db, claim)
  }
}

type Turn = { claim: Claim; requestedBy: string; signal: AbortSignal }

async function verifySinceLast({ db, log }: VerifyingOptions, turn: Turn): Promise<void> {
  const { claim, requestedBy, signal } = turn
  say(log, await verify(db, { isFull: false, requestedBy }, { claim, signal, gently: true }))
}

async function verifyOn({ db, log }: VerifyingOptions, turn: Turn): Promise<void> {
  const { claim, requestedBy, signal } = turn
  const begun = await takeUpWalk(db, { requestedBy })
  // At once: from now on it is this walk that must not be lost, and no longer the request for it.
  await putDownWalk(db, claim, begun)
  const walk = await runWalk(db, begun, {
    claim,
    signal,
    gently: true,
    maxSeconds: sliceSeconds,
  })
  if (walk.phase === 'done') say(log, await finish(db, claim, walk))
  else await putDownWalk(db, claim, walk)
}

function say(log: Log, { lost, stuck, disorders, checked, counts, full }: Verification): void {
  const found = { lost, stuck, disorders, checked, full }
  if (lost + stuck + disorders === 0) log.info(found, 'verified')
  else if (lost === 0) log.warn({ ...found, counts }, 'verification found something')
  else log.error({ ...found, counts }, 'verification found something lost')
}

// What passes by itself is tried again; after half an hour without a result, watchShop raises the alert, as it does for
// a full one that failed: the next one of what is new does not end that.
async function fail(
  { db, log, who }: VerifyingOptions,
  { claim, error, isFull }: { claim: Claim; error: unknown; isFull: boolean },
): Promise<void> {
  const passes =
    (isTransient(error) && !isOfTheStatement(error)) ||
    error instanceof ClaimLost ||
    (error instanceof Error && error.name === 'AbortError')
  if (passes) return
  const reason = error instanceof Error ? error.message : String(error)
  log.error({ err: error }, 'verification failed')
  await recordFailure(db, claim, { requestedBy: who, isFull, reason })
  if (isFull) return
  await raiseAlert(db, {
    kind: 'verify.failed',
    text: 'Orders cannot be verified: the log of the relay says why ("verification failed").',
  })
}
