import type pg from 'pg'

import { openDatabase } from '#database/open-database.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { deleteOldOrders } from '#upkeep/delete-old-orders.ts'
import { dropMonths } from '#upkeep/drop-months.ts'

import { beginMonthsAgo } from '../../test/support/past-months.ts'
import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { round } from '../support/figures.ts'

const months = 12
const kept = 3
// 2.4 million deliveries, meant to take less than a quarter of an hour on two cores that have nothing else to do.
const ordersPerMonth = 50_000

/**
 * Does a year of orders leave behind more than its last three months? Each month's orders are relayed and delivered by
 * the product, with ids of that month; then the retention's passes run, as they would have at its end.
 */
export const scenario: Scenario = {
  name: 'soak',
  what: `tables and indexes after ${months} months of orders, of which ${kept} are kept`,
  async run(bench) {
    const perMonth = bench.quick ? 5_000 : ordersPerMonth
    const database = await bench.createDatabase()
    const env = { DATABASE_URL: database.url, BENCH_TARGETS: 'one,two,three,four' }
    const upkeep = openDatabase({
      connection: { connectionString: database.url },
      applicationName: 'orderwheel-bench',
      maxConnections: 2,
      statementTimeoutMs: 0,
      onConnectionLost: () => {},
    })
    const { db } = upkeep
    await beginMonthsAgo(db, months)
    const sizes: Record<string, number>[] = []
    const begunAt = performance.now()
    for (let ago = months - 1; ago >= 0; ago -= 1) {
      await addOrders(database.pool, { count: perMonth, ago })
      await runToEnd(bench, ['relay', '--drain'], env)
      await runToEnd(bench, ['worker', '--drain'], env)
      await dropMonths(db, ago + kept)
      await deleteOldOrders(db, { days: (ago + kept) * 30, signal: new AbortController().signal })
      await database.tidy()
      const size = await readSizes(database)
      sizes.push(size)
      const minutes = round((performance.now() - begunAt) / 60_000)
      bench.progress(`month ${months - ago}: ${round(totalOf(size))} MB, after ${minutes} minutes`)
    }
    await upkeep.close()
    const totals = sizes.map((size) => round(totalOf(size)))
    // Full for the first time: three whole months, and the one that is still being kept besides.
    const full = totals[kept] ?? 0
    const most = Math.max(...totals.slice(kept + 1))
    const ratio = round(full / most)
    return {
      scenario: 'soak',
      ours: most,
      reference: full,
      ratio,
      atLeast: 0.9,
      holds: ratio >= 0.9,
      unit: 'MB',
      details: {
        months,
        kept,
        ordersPerMonth: perMonth,
        totalsMB: totals,
        lastMonthMB: sizes.at(-1),
      },
    }
  },
}

async function addOrders(pool: pg.Pool, { count, ago }: { count: number; ago: number }) {
  await pool.query(
    `with shift as (
       select make_interval(months => -$2::int) as by
     ), placed as (
       insert into orderwheel.orders
              (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
       select uuidv7(by), number, '00000000-0000-0000-0000-000000000000', number, sha256(number::bytea),
              jsonb_set($3, '{externalId}', to_jsonb(number)), now() + by
         from shift, generate_series(1, $1::int) n, lateral (select 'SOAK-' || $2::int || '-' || n as number) named
       returning id
     )
     insert into orderwheel.outbox (id, order_id, kind, created_at)
     select uuidv7(by), id, 'order.placed', now() + by from placed, shift`,
    [count, ago, exampleOrder('SOAK')],
  )
}

async function runToEnd(bench: Bench, args: string[], env: Record<string, string>): Promise<void> {
  const run = bench.startOrderwheel(args, env)
  if ((await run.ended) !== 0) throw new Error(`${args.join(' ')} failed:\n${run.output()}`)
}

/** Of each table with its indexes and partitions, in MB. */
async function readSizes({ pool }: BenchDatabase): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ name: string; megabytes: number }>(
    `select coalesce(p.relname, c.relname) as name, sum(pg_total_relation_size(c.oid))::float8 / 1e6 as megabytes
       from pg_class c
       left join pg_inherits i on i.inhrelid = c.oid
       left join pg_class p on p.oid = i.inhparent and p.relkind = 'p'
      where c.relnamespace in ('orderwheel'::regnamespace, 'pgboss'::regnamespace) and c.relkind = 'r'
      group by 1 having sum(pg_total_relation_size(c.oid)) > 500000 order by 2 desc`,
  )
  return Object.fromEntries(rows.map(({ name, megabytes }) => [name, round(megabytes)]))
}

function totalOf(size: Record<string, number>): number {
  return Object.values(size).reduce((sum, one) => sum + one, 0)
}
