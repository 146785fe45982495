import { setTimeout } from 'node:timers/promises'

import type pg from 'pg'

import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { countWaiting, databaseTime, deliveredPerSecond } from '../support/delivered.ts'
import { compare, median, resultOf } from '../support/figures.ts'
import { type Backlog, prepareBacklog } from '../support/fill-backlog.ts'
import { interleave } from '../support/interleave.ts'
import { makeHistory } from '../support/make-history.ts'
import { offerOrders } from '../support/offer-orders.ts'

const offeredPerSecond = 800

/**
 * What a forgotten transaction costs: while it holds its snapshot, nothing that was updated or deleted since
 * may be removed, and every search for the next job has to step over it.
 */
export const scenario: Scenario = {
  name: 'xmin',
  what: `deliveries/s of ${offeredPerSecond} offered, while another session holds a transaction open for 3 minutes`,
  async run(bench) {
    const rounds = await interleave(
      bench,
      { without: () => measure(bench, 'nothing'), held: () => measure(bench, 'snapshot') },
      { rounds: 1, figure: ({ perSecond }) => perSecond },
    )
    const figure = (name: 'held' | 'without', which: keyof Round) =>
      median(rounds[name].map((round) => round[which]))
    const ours = figure('held', 'perSecond')
    return resultOf({
      scenario: 'xmin',
      unit: 'deliveries/s',
      ours,
      comparisons: [
        compare(ours, {
          reference: 'without that transaction',
          figure: figure('without', 'perSecond'),
          atLeast: 0.95,
        }),
      ],
      details: { offeredPerSecond, heldSeconds: secondsOf(bench).held, rounds },
    })
  },
}

type Round = {
  /** Deliveries a second in the end. */
  perSecond: number
  /** Jobs that waited in the end: what fell behind. */
  waiting: number
  /** Deliveries a second when there is suddenly more to do than can be done, the transaction still open. */
  atMost: number
}

/** How long the transaction is open, and how much of it counts: its end. */
function secondsOf({ quick }: Bench) {
  return quick ? { held: 30, counted: 10 } : { held: 180, counted: 60 }
}

async function measure(bench: Bench, held: 'snapshot' | 'nothing'): Promise<Round> {
  const database = await bench.createDatabase()
  const env = { DATABASE_URL: database.url, BENCH_TARGETS: 'noop' }
  const backlog = await prepareBacklog(bench, database, env)
  await makeHistory(bench, backlog, env)
  await database.tidy()
  const worker = bench.startOrderwheel(['worker'], env)
  const relay = bench.startOrderwheel(['relay'], env)
  await Promise.all([worker.said(/worker started/), relay.said(/relay started/)])
  const offer = offerOrders(database.pool, offeredPerSecond)
  await setTimeout(3_000)
  const holder = held === 'snapshot' ? await holdSnapshot(database.pool) : undefined
  bench.progress(holder ? 'a transaction is open' : 'no transaction is open')

  const { held: heldSeconds, counted } = secondsOf(bench)
  await setTimeout((heldSeconds - counted) * 1_000)
  const from = await databaseTime(database.pool)
  await setTimeout(counted * 1_000)
  const to = await databaseTime(database.pool)
  const waiting = await countWaiting(database, 'noop', 1_000_000)
  const perSecond = await deliveredPerSecond(database, from, to)
  await offer.stop()
  const atMost = await measureAtMost(database, backlog)
  await holder?.release()
  await Promise.all([worker.stop(), relay.stop()])
  await database.drop()
  return { perSecond, waiting, atMost }
}

/** A session that somebody forgot: it has looked at something and holds what it saw. */
async function holdSnapshot(pool: pg.Pool): Promise<{ release(): Promise<void> }> {
  const client = await pool.connect()
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from orderwheel.api_keys')
  return {
    async release() {
      await client.query('rollback')
      client.release()
    },
  }
}

const more = 20_000
const tooFew = 1_000

async function measureAtMost(database: BenchDatabase, backlog: Backlog): Promise<number> {
  await backlog.add(more)
  const from = await databaseTime(database.pool)
  while ((await countWaiting(database, 'noop', tooFew)) === tooFew) await setTimeout(20)
  return deliveredPerSecond(database, from, await databaseTime(database.pool))
}
