import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { compare, median, resultOf, round } from '../support/figures.ts'
import { fillOutbox } from '../support/fill-outbox.ts'
import { interleave } from '../support/interleave.ts'
import { installPeers } from '../support/load-peer.ts'

export const scenario: Scenario = {
  name: 'deliver',
  what: 'deliveries to a target that does nothing, attempts and deliveries recorded',
  async run(bench) {
    installPeers((text) => bench.progress(text))
    const jobs = bench.quick ? 5_000 : 50_000
    const rounds = await interleave(
      bench,
      {
        ours: () => deliverAll(bench, jobs),
        pump: () => measure(bench, 'contenders/pump.ts', { JOBS: String(jobs) }),
        // A tenth is enough: it takes a tenth as many.
        graphile: () => graphile(bench, { jobs: jobs / 10, preset: 'default' }),
        'graphile local queue': () => graphile(bench, { jobs, preset: 'local-queue' }),
        'pg-boss work()': () =>
          measure(bench, 'contenders/pg-boss-work.ts', { JOBS: '1000', SECONDS: '10' }),
      },
      { rounds: bench.quick ? 1 : 3, figure: (perSecond) => perSecond },
    )
    const ours = median(rounds.ours)
    const against = (reference: string, figures: number[], atLeast: number) =>
      compare(ours, { reference, figure: median(figures), atLeast })
    return resultOf({
      scenario: 'deliver',
      unit: 'deliveries/s',
      ours,
      comparisons: [
        against('bare fetch/complete pump, no records', rounds.pump, 0.6),
        against('graphile-worker, concurrency 24', rounds.graphile, 5),
        against('graphile-worker, local queue', rounds['graphile local queue'], 0.8),
        against('pg-boss work(), as documented', rounds['pg-boss work()'], 100),
      ],
      details: { jobs, concurrency, rounds },
    })
  },
}

// Of the target and of the pump.
const concurrency = 1_000

async function deliverAll(bench: Bench, jobs: number): Promise<number> {
  const database = await bench.createDatabase()
  await fillOutbox(database.pool, jobs)
  // The references write no line for each job, either.
  const env = {
    DATABASE_URL: database.url,
    BENCH_CONCURRENCY: String(concurrency),
    LOG_LEVEL: 'warn',
  }
  await runToEnd(bench, ['relay', '--drain'], env)
  await database.tidy()
  await runToEnd(bench, ['worker', '--drain', '--target', 'noop'], env)
  const perSecond = await deliveredPerSecond(database, jobs)
  await database.drop()
  return perSecond
}

async function runToEnd(bench: Bench, args: string[], env: Record<string, string>): Promise<void> {
  const ran = bench.startOrderwheel(args, env)
  if ((await ran.ended) !== 0) throw new Error(`orderwheel ${args[0]} failed:\n${ran.output()}`)
}

/** From the first claim to the last settlement, by the database's clock: without the start of the process. */
async function deliveredPerSecond({ pool }: BenchDatabase, jobs: number): Promise<number> {
  const { rows } = await pool.query<{ delivered: number; seconds: number }>(`
    select count(*) filter (where d.state = 'delivered')::int as delivered,
           extract(epoch from max(d.settled_at) - min(a.started_at))::float8 as seconds
      from orderwheel.deliveries d
      join orderwheel.delivery_attempts a using (message_id, target)`)
  const [row] = rows
  if (row?.delivered !== jobs) throw new Error(`${row?.delivered} of ${jobs} were delivered`)
  return round(jobs / row.seconds)
}

function graphile(
  bench: Bench,
  { jobs, preset }: { jobs: number; preset: string },
): Promise<number> {
  // Without a line for each job.
  const env = { JOBS: String(jobs), PRESET: preset, NO_LOG_SUCCESS: '1' }
  return measure(bench, 'contenders/graphile-worker.ts', env)
}

/** A contender that fills its queue, is told to begin, and says how many a second it did. */
async function measure(bench: Bench, file: string, env: Record<string, string>): Promise<number> {
  const database = await bench.createDatabase()
  const more = { DATABASE_URL: database.url, CONCURRENCY: String(concurrency) }
  const contender = bench.startContender(file, { env: { ...more, ...env } })
  await contender.report()
  await database.tidy()
  contender.send({ begin: true })
  const { perSecond } = await contender.report<{ perSecond: number }>()
  await contender.stop()
  await database.drop()
  return round(perSecond)
}
