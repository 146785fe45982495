import { setTimeout } from 'node:timers/promises'

import type { Bench, Scenario } from '../scenario.ts'
import { compare, median, resultOf, round } from '../support/figures.ts'
import { prepareBacklog } from '../support/fill-backlog.ts'
import { interleave } from '../support/interleave.ts'
import { type Sink, startSink } from '../support/start-sink.ts'

const concurrency = 100
// As a quick partner's server answers: shows what is left of the difference when the target is not idle.
const partnerMs = 20

/** Deliveries a second to an HTTP server on this machine, counted by that server. */
export const scenario: Scenario = {
  name: 'http',
  what: 'deliveries/s to a local HTTP server, against a bare undici loop',
  async run(bench) {
    const figures = await interleave(
      bench,
      {
        worker: () => measureWorker(bench, 0),
        loop: () => measureLoop(bench, 0),
        workerToPartner: () => measureWorker(bench, partnerMs),
        loopToPartner: () => measureLoop(bench, partnerMs),
      },
      { rounds: bench.quick ? 1 : 3, figure: (perSecond) => perSecond },
    )
    const ours = median(figures.worker)
    const bare = median(figures.loop)
    const partner = median(figures.workerToPartner) / median(figures.loopToPartner)
    return resultOf({
      scenario: 'http',
      unit: 'deliveries/s',
      ours,
      comparisons: [compare(ours, { reference: 'undici loop', figure: bare, atLeast: 0.7 })],
      details: { concurrency, partnerMs, ratioToPartner: round(partner), rounds: figures },
    })
  },
}

async function measureWorker(bench: Bench, delayMs: number): Promise<number> {
  const database = await bench.createDatabase()
  const sink = await startSink(bench, { delayMs })
  const env = {
    DATABASE_URL: database.url,
    BENCH_TARGETS: 'sink',
    BENCH_SINK_URL: sink.url,
    BENCH_CONCURRENCY: String(concurrency),
  }
  const backlog = await prepareBacklog(bench, database, env)
  await backlog.add(bench.quick ? 40_000 : 150_000)
  await database.tidy()
  const worker = bench.startOrderwheel(['worker'], env)
  const perSecond = await rateOf(bench, sink)
  const left = await database.pool.query(
    `select from pgboss.job where name = 'sink' and state = 'created' limit 1`,
  )
  if (left.rowCount === 0) throw new Error('the backlog was too small: nothing was left of it')
  await worker.stop()
  await sink.stop()
  await database.drop()
  return perSecond
}

async function measureLoop(bench: Bench, delayMs: number): Promise<number> {
  const sink = await startSink(bench, { delayMs })
  const loop = bench.startContender('contenders/undici-loop.ts', {
    env: { SINK_URL: sink.url, LOOP_CONCURRENCY: String(concurrency) },
  })
  const perSecond = await rateOf(bench, sink)
  await loop.stop()
  await sink.stop()
  return perSecond
}

/** What the sink answers a second, once everything runs compiled. */
async function rateOf(bench: Bench, sink: Sink): Promise<number> {
  while ((await sink.look()).answered === 0) await setTimeout(20)
  await setTimeout(bench.quick ? 1_000 : 3_000)
  const from = await sink.look()
  await setTimeout(bench.quick ? 3_000 : 12_000)
  const to = await sink.look()
  return ((to.answered - from.answered) / (to.atMs - from.atMs)) * 1_000
}
