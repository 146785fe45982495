import { sql } from 'kysely'

/**
 * A column for the statement that locks a target's row: PostgreSQL ends this transaction after 5 s of
 * idleness. All workers wait behind that lock, and a process that freezes while it has it must not cost them
 * the 15 s that others are given: leases end after 10. It is of this transaction only, so that it works
 * through a pooler as well.
 */
export const letGoWhenFrozen = sql`set_config('idle_in_transaction_session_timeout', '5s', true)`
