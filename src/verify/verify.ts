import type { Db } from '#database/open-database.ts'

import type { Claim } from './claim-verification.ts'
import { lookAgain } from './look-again.ts'
import { nameFindings } from './name-findings.ts'
import type { Verification } from './read-verification.ts'
import { readVerification } from './read-verification.ts'
import { recordVerification } from './record-verification.ts'
import { runWalk, type WalkOptions } from './run-walk.ts'
import { beginWalk, type Walk } from './walk.ts'

/** Verifies from begin to end, and answers the result, which is in `verifications` as well. Throws ClaimLost. */
export async function verify(
  db: Db,
  wanted: { isFull: boolean; requestedBy: string },
  options: WalkOptions,
): Promise<Verification> {
  const walk = await runWalk(db, await beginWalk(db, wanted), options)
  return finish(db, options.claim, walk)
}

/**
 * Writes down what a walk came to that is at its end. What it found may have been a while ago: what is gone by now does
 * not count any more, as far as each finding was kept.
 */
export async function finish(db: Db, claim: Claim, walk: Walk): Promise<Verification> {
  const there = await lookAgain(db, walk.findings)
  const counts = { ...walk.counts }
  for (const finding of walk.findings) {
    if (!there.includes(finding)) counts[finding.kind] = (counts[finding.kind] ?? 1) - 1
  }
  const kept = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  const findings = await nameFindings(db, there)
  const id = await recordVerification(db, claim, {
    walk: { ...walk, counts: kept, findings: there },
    findings,
  })
  return readVerification(db, id)
}
