import { sql } from 'kysely'

import type { Tx } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'

import type { Finding } from './finding.ts'
import type { Mended, RepairDeps } from './repair.ts'

/** Writes the dead letter of a delivery that was given up on, from its attempts. */
export async function recreateLetter(
  tx: Tx,
  { messageId, target }: Finding,
): Promise<NonNullable<Mended>> {
  await sql`
    insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts, died_at)
    select d.message_id, d.target, d.order_id,
           coalesce((select a.reason from orderwheel.delivery_attempts a
                      where a.message_id = d.message_id and a.target = d.target
                      order by a.number desc limit 1), 'No reason is known.'),
           coalesce((select jsonb_agg(to_jsonb(a) - 'message_id' - 'target' order by a.number)
                       from orderwheel.delivery_attempts a
                      where a.message_id = d.message_id and a.target = d.target), '[]'),
           coalesce(d.settled_at, now())
      from orderwheel.deliveries d
     where d.message_id = ${messageId}::uuid and d.target = ${target}`.execute(tx)
  return { action: 'delivery.letter-recreated', before: 'dead', after: 'dead' }
}

const resolutions: Partial<Record<DeliveryState, 'replayed' | 'discarded'>> = {
  queued: 'replayed',
  active: 'replayed',
  retrying: 'replayed',
  delivered: 'replayed',
  skipped: 'discarded',
  shed: 'discarded',
  cancelled: 'discarded',
}

/** Closes a dead letter whose delivery has gone on without it. Null when a person has to decide all the same. */
export async function closeLetter(
  tx: Tx,
  { who }: Pick<RepairDeps, 'who'>,
  { messageId, target }: Finding,
): Promise<Mended> {
  const { rows } = await sql<{ state: DeliveryState }>`
    select state from orderwheel.deliveries
     where message_id = ${messageId}::uuid and target = ${target}`.execute(tx)
  const state = rows[0]?.state
  const resolution = state && resolutions[state]
  if (!resolution) return null
  await sql`
    update orderwheel.dead_letters
       set resolution = ${resolution}, resolved_at = now(), resolved_by = ${who},
           comment = ${`Its delivery is ${state}.`}
     where message_id = ${messageId}::uuid and target = ${target} and resolved_at is null`.execute(
    tx,
  )
  return { action: 'delivery.letter-closed', before: null, after: resolution }
}
