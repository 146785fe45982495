import type { Db } from '#database/open-database.ts'
import { claimVerification, releaseClaim } from '#verify/claim-verification.ts'
import type { Verification } from '#verify/read-verification.ts'
import { verify } from '#verify/verify.ts'

import { eventually } from './eventually.ts'

/** Verifies as `orderwheel verify` does. */
export async function verifyShop(
  db: Db,
  { isFull = false }: { isFull?: boolean } = {},
): Promise<Verification> {
  // A process that was killed while it verified has its turn for a minute.
  const claim = await eventually(() => claimVerification(db, 'test'), { withinSeconds: 70 })
  const signal = AbortSignal.timeout(60_000)
  try {
    return await verify(db, { isFull, requestedBy: 'test' }, { claim, signal })
  } finally {
    await releaseClaim(db, claim)
  }
}

/** What it found, as `<kind> <target>`. */
export function listFound({ findings }: Verification): string[] {
  return findings.map(({ kind, target }) => [kind, target].filter(Boolean).join(' ')).sort()
}
