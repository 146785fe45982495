import { setTimeout } from 'node:timers/promises'

import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { countWaiting, databaseTime, deliveredPerSecond } from '../support/delivered.ts'
import { compare, median, resultOf, round } from '../support/figures.ts'
import { type Backlog, prepareBacklog } from '../support/fill-backlog.ts'
import { interleave } from '../support/interleave.ts'
import { makeHistory } from '../support/make-history.ts'

const few = 1_000
const draining = 20_000

/**
 * Whether deliveries get slower when many wait. A thousand stay a thousand only while they are topped up,
 * which costs this machine much: so the million is topped up in the same way. And, without: the million
 * against 20 000 that become fewer.
 */
export const scenario: Scenario = {
  name: 'backlog',
  what: 'deliveries/s to a target that does nothing, a million waiting against a thousand',
  async run(bench) {
    const many = bench.quick ? 100_000 : 1_000_000
    let pace = 0
    const measureFew = () =>
      withWorker(bench, few, async (at) => {
        const measured = await measureToppedUp(bench, at, { keep: few })
        pace = measured.toppedUp
        return { ...measured, alone: await measureDraining(bench, at) }
      })
    const measureMany = () =>
      withWorker(bench, many, async (at) => {
        const measured = await measureToppedUp(bench, at, { perSecond: pace })
        return { ...measured, alone: await measureFor(at.database, secondsOf(bench)) }
      })
    const rounds = await interleave(
      bench,
      { few: measureFew, many: measureMany },
      { rounds: bench.quick ? 1 : 3, figure: ({ toppedUp }) => toppedUp },
    )
    return resultIn(many, rounds)
  },
}

type Round = {
  /** Deliveries a second while jobs are added as fast as they are taken. */
  toppedUp: number
  /** How many waited meanwhile, as the median of what was seen, `few` and more being the same. */
  waiting: number
  /** Deliveries a second while no jobs are added. */
  alone: number
}
type Place = { database: BenchDatabase; backlog: Backlog }

async function withWorker<T>(
  bench: Bench,
  waiting: number,
  measure: (place: Place) => Promise<T>,
): Promise<T> {
  const database = await bench.createDatabase()
  const env = { DATABASE_URL: database.url, BENCH_TARGETS: 'noop' }
  const backlog = await prepareBacklog(bench, database, env)
  await makeHistory(bench, backlog, env)
  bench.progress(`filling the queue with ${waiting}`)
  await backlog.add(waiting)
  await database.tidy()
  const worker = bench.startOrderwheel(['worker'], env)
  await worker.said(/worker started/)
  const figures = await measure({ database, backlog })
  await worker.stop()
  await database.drop()
  return figures
}

const tickMs = 20
const warmUpSeconds = 3

/** Adds, every tick, what is missing to `keep`, or what makes `perSecond`; both look how many wait. */
async function measureToppedUp(
  bench: Bench,
  { database, backlog }: Place,
  pace: { keep: number } | { perSecond: number },
): Promise<Omit<Round, 'alone'>> {
  const stop = new AbortController()
  const seen: number[] = []
  const topUp = async () => {
    let last = performance.now()
    while (!stop.signal.aborted) {
      await setTimeout(tickMs)
      const waiting = await countWaiting(database, 'noop', few)
      seen.push(waiting)
      const now = performance.now()
      const due = 'keep' in pace ? pace.keep - waiting : (pace.perSecond * (now - last)) / 1_000
      last = now
      if (due < 1) continue
      await backlog.add(Math.round(due))
      // As the relay does: a worker that found the queue empty would wait for its next look.
      await database.pool.query(`select pg_notify('orderwheel_jobs', 'noop')`)
    }
  }
  const toppingUp = topUp()
  await setTimeout(warmUpSeconds * 1_000)
  const toppedUp = await measureFor(database, secondsOf(bench))
  stop.abort()
  await toppingUp
  return { toppedUp, waiting: median(seen) }
}

async function measureFor(database: BenchDatabase, seconds: number): Promise<number> {
  const from = await databaseTime(database.pool)
  await setTimeout(seconds * 1_000)
  return deliveredPerSecond(database, from, await databaseTime(database.pool))
}

/** From when all of them wait until there are too few to fill every slot at once. */
async function measureDraining(bench: Bench, { database, backlog }: Place): Promise<number> {
  await backlog.add(draining)
  const from = await databaseTime(database.pool)
  const enough = few
  while ((await countWaiting(database, 'noop', enough)) === enough) await setTimeout(20)
  const to = await databaseTime(database.pool)
  bench.progress(`${draining} drained`)
  return deliveredPerSecond(database, from, to)
}

function secondsOf({ quick }: Bench): number {
  return quick ? 5 : 20
}

function resultIn(many: number, rounds: Record<'few' | 'many', Round[]>) {
  const figure = (name: 'few' | 'many', which: 'toppedUp' | 'alone') =>
    median(rounds[name].map((round) => round[which]))
  const ours = figure('many', 'toppedUp')
  const alone = figure('many', 'alone')
  return resultOf({
    scenario: 'backlog',
    unit: 'deliveries/s',
    ours,
    comparisons: [
      compare(ours, {
        reference: `${few} waiting, both topped up`,
        figure: figure('few', 'toppedUp'),
        atLeast: 0.9,
      }),
      compare(alone, {
        reference: `${draining} waiting, neither topped up`,
        figure: figure('few', 'alone'),
        atLeast: 0.9,
      }),
    ],
    details: { waiting: many, notToppedUp: round(alone), rounds },
  })
}
