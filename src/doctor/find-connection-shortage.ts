import { sql } from 'kysely'

import { connectionBudget, type RunningParts } from '#database/connection-budget.ts'
import { readConnectionLimits } from '#database/connection-limits.ts'
import type { Db } from '#database/open-database.ts'
import { isThroughPooler } from '#database/set-up-connection.ts'

import type { Examination } from './examination.ts'

export const connectionShortage: Examination = {
  subject: 'connections: what the processes may come to hold, and what the server allows',
  async examine({ db, pool, poolSize, directDatabase }) {
    const client = await pool.connect()
    const limits = await readUnlessPooled(client).finally(() => client.release())
    const running = await countRunning(db)
    const { pooled, listening } = connectionBudget(running, poolSize)
    // With a direct connection beside it, DATABASE_URL is a pooler's: its size is its own affair.
    const budget = (directDatabase ? 0 : pooled) + listening
    const [least] = limits.toSorted((a, b) => a.allowed - b.allowed)
    if (!least || budget <= least.allowed) return { findings: [] }
    const processes = running.api + running.relay + running.worker
    const fitting = Math.floor((least.allowed - listening) / processes)
    return {
      findings: [
        {
          kind: 'too-many-connections',
          severity: 'warning',
          what: `${describe(running)} may come to hold ${budget} connections (DATABASE_POOL_SIZE is ${poolSize} here), and ${least.name} allows ${least.allowed}, of which ${least.taken} are taken.`,
          why: 'Under load the last processes are refused: orders get 503, and deliveries wait for a connection.',
          fix: `DATABASE_POOL_SIZE=${Math.max(2, fitting)} for each process, or raise the limit to ${budget} or more (alter system set max_connections = …; restart), or put PgBouncer between.`,
        },
      ],
    }
  },
}

async function readUnlessPooled(client: Parameters<typeof readConnectionLimits>[0]) {
  return (await isThroughPooler(client)) ? [] : readConnectionLimits(client)
}

function describe({ api, relay, worker }: RunningParts): string {
  return `${api} api, ${relay} relay and ${worker} worker running by now`
}

/**
 * Relays and workers are in pg-boss's registry of instances. Of an api only its connections are seen: those from
 * one address count as one process.
 */
async function countRunning(db: Db): Promise<RunningParts> {
  const { rows } = await sql<RunningParts>`
    select (select count(*) from pgboss.instance where name = 'relay' and ${isAlive})::int as relay,
           (select count(*) from pgboss.instance where name = 'worker' and ${isAlive})::int as worker,
           (select count(distinct coalesce(client_addr, '127.0.0.1')) from pg_stat_activity
             where application_name = 'orderwheel-api' and datname = current_database())::int as api`.execute(
    db,
  )
  return rows[0] ?? { api: 0, relay: 0, worker: 0 }
}

const isAlive = sql`stopped_on is null and heartbeat_on > now() - make_interval(secs => 3 * heartbeat_seconds)`
