import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

/**
 * Closes the circuits of targets whose configuration says that they have none: nobody would probe one that was
 * open when it was taken out, and it would be shown as open for ever.
 */
export async function closeUnheeded(db: Db, targets: readonly string[]): Promise<void> {
  if (targets.length === 0) return
  await sql`
    with found as materialized ( -- in the order in which everybody locks targets
      select name from orderwheel.targets
       where name = any(${targets}::text[]) and circuit <> 'closed'
       order by name
         for update
    ), closed as (
      update orderwheel.targets t
         set circuit = 'closed', circuit_epoch = circuit_epoch + 1, circuit_since = now(),
             circuit_reason = ${reason}, probe_at = null, failed_probes = 0, ramp_slots = 0, ramp_calls = 0,
             failed_in_a_row = 0, window_since = null, window_calls = 0, window_failed = 0
        from found where t.name = found.name and t.circuit <> 'closed'
      returning t.name
    )
    insert into orderwheel.target_changes (target, change, reason, who)
    select name, 'circuit-closed', ${reason}, 'the configuration' from closed`.execute(db)
}

const reason = 'the configuration says that it has no circuit'
