import { sql } from 'kysely'

import { verifyChain } from '#audit/verify-chain.ts'

import type { Examination } from './examination.ts'

// A second's worth. All of it is what `orderwheel audit verify` is for.
const entriesLookedAt = 10_000

export const brokenChain: Examination = {
  subject: 'the audit chain’s last entries, and what they are about',
  async examine({ db }) {
    const { rows } = await sql<{ since: string }>`
      select greatest(coalesce(max(position), 0) - ${entriesLookedAt}, 0) as since from orderwheel.audit_chain`.execute(
      db,
    )
    const { found, findings } = await verifyChain(db, { since: Number(rows[0]?.since ?? 0) })
    const [first] = findings
    if (!first) return { findings: [] }
    return {
      findings: [
        {
          kind: 'audit-chain-broken',
          severity: 'error',
          what: `${found === 1 ? 'One thing is' : `${found} things are`} not as entered in the audit chain. ${first.what}`,
          why: 'Somebody changed or removed what people did, or what an order was, past the processes.',
          fix: 'orderwheel audit verify # names each; compare with a backup, and find out who had access',
        },
      ],
    }
  },
}
