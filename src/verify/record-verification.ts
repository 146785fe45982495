import { sql } from 'kysely'

import { raiseAlert } from '#alerts/raise-alert.ts'
import { resolveAlert } from '#alerts/resolve-alert.ts'
import type { Db, Tx } from '#database/open-database.ts'

import { type Claim, ClaimLost } from './claim-verification.ts'
import { answerRequest } from './due-verification.ts'
import { countClass, type NamedFinding } from './finding.ts'
import { isAhead, knownWatermark } from './known-watermark.ts'
import type { Walk } from './walk.ts'

/**
 * Writes down what a finished walk came to, with the next watermark, raises or ends its alerts, and forgets results
 * and alerts of more than 90 days. Answers the result's id. Throws ClaimLost: then nothing is written.
 */
export async function recordVerification(
  db: Db,
  claim: Claim,
  { walk, findings }: { walk: Walk; findings: readonly NamedFinding[] },
): Promise<string> {
  return db.transaction().execute(async (tx) => {
    await advance(tx, claim, walk)
    const id = await insert(tx, walk, findings)
    await alert(tx, walk)
    await forgetOld(tx)
    return id
  })
}

async function advance(tx: Tx, { id }: Claim, walk: Walk): Promise<void> {
  const { isFull, upTo } = walk
  const { numAffectedRows } = await sql`
    update orderwheel.verify_state
       set watermark = greatest(${knownWatermark}, case when not ${isAhead(sql`${upTo}::uuid`)} then ${upTo}::uuid end),
           full_at = case when ${isFull} then now() else full_at end,
           full_walk = case when ${isFull} then null else full_walk end,
           ${answerRequest(walk)}
     where claim = ${id}`.execute(tx)
  if (numAffectedRows !== 1n) throw new ClaimLost()
}

async function insert(tx: Tx, walk: Walk, findings: readonly NamedFinding[]): Promise<string> {
  const { isFull, requestedBy, startedAt, checked, counts, upTo } = walk
  const { id } = await tx
    .insertInto('orderwheel.verifications')
    .values({
      is_full: isFull,
      requested_by: requestedBy,
      started_at: new Date(startedAt),
      orders: `${checked.orders}`,
      messages: `${checked.messages}`,
      deliveries: `${checked.deliveries}`,
      jobs: `${checked.jobs}`,
      lost: countClass(counts, 'lost'),
      stuck: countClass(counts, 'stuck'),
      disorders: countClass(counts, 'disorder'),
      counts: JSON.stringify(counts),
      findings: JSON.stringify(findings),
      watermark: upTo,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

async function alert(tx: Tx, { counts }: Walk): Promise<void> {
  const lost = countClass(counts, 'lost')
  const stuck = countClass(counts, 'stuck')
  await resolveAlert(tx, { kind: 'verify.failed' })
  if (lost === 0) await resolveAlert(tx, { kind: 'verify.lost' })
  else
    await raiseAlert(tx, {
      kind: 'verify.lost',
      text: `${lost} lost: without somebody's help a target would never be told. "orderwheel verify" names each case and the command that mends it.`,
    })
  if (stuck === 0) await resolveAlert(tx, { kind: 'verify.stuck' })
  else
    await raiseAlert(tx, {
      kind: 'verify.stuck',
      text: `${stuck} past their time (${describeCounts(counts)}). "orderwheel verify" names each case and what to do.`,
    })
}

function describeCounts(counts: Walk['counts']): string {
  return Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ')
}

// The newest of them stays, however old: it is what /ops/verify answers.
async function forgetOld(tx: Tx): Promise<void> {
  await sql`
    delete from orderwheel.verifications v
     where v.finished_at < now() - interval '90 days'
       and v.id <> (select id from orderwheel.verifications
                     where failure is null order by finished_at desc limit 1)`.execute(tx)
  await sql`
    delete from orderwheel.alerts where raised_at < now() - interval '90 days' and resolved_at is not null`.execute(
    tx,
  )
}
