import { setTimeout } from 'node:timers/promises'

import type pg from 'pg'

import type { Bench, Scenario } from '../scenario.ts'
import { compare, resultOf } from '../support/figures.ts'
import { prepareBacklog } from '../support/fill-backlog.ts'
import { startSink } from '../support/start-sink.ts'

const slots = 200
const answerSeconds = 8
const ideal = slots / answerSeconds

/** How much of a slow ERP's slots is used: what is not waiting for an answer is lost. */
export const scenario: Scenario = {
  name: 'slow',
  what: `deliveries/s to a target that takes ${answerSeconds} s, ${slots} at a time`,
  async run(bench) {
    const database = await bench.createDatabase()
    const sink = await startSink(bench, { delayMs: answerSeconds * 1_000 })
    const env = {
      DATABASE_URL: database.url,
      BENCH_TARGETS: 'sink',
      BENCH_SINK_URL: sink.url,
      BENCH_CONCURRENCY: String(slots),
    }
    // 40 s in the end, after the first turn.
    const turns = bench.quick ? 2 : 5
    const backlog = await prepareBacklog(bench, database, env)
    await backlog.add(slots * (turns + 3))
    await database.tidy()
    bench.startOrderwheel(['worker'], env)
    const settled = await settledTimes(bench, database.pool, slots * (turns + 1))
    const perSecond = rateOfSlots(settled, turns)
    return resultOf({
      scenario: 'slow',
      unit: 'deliveries/s',
      ours: perSecond,
      comparisons: [compare(perSecond, { reference: 'the ideal', figure: ideal, atLeast: 0.97 })],
      details: { slots, answerSeconds, turns },
    })
  },
}

/** When each of the first `count` deliveries was settled, in seconds, the first one first. */
async function settledTimes(bench: Bench, pool: pg.Pool, count: number): Promise<number[]> {
  for (let seen = 0; ;) {
    // Often enough: it is seldom that something happens.
    await setTimeout(1_000)
    const { rows } = await pool.query<{ at: number }>(
      `select extract(epoch from settled_at)::float8 as at from orderwheel.deliveries
        where state = 'delivered' order by 1`,
    )
    if (rows.length > seen) bench.progress(`${rows.length} of ${count} delivered`)
    seen = rows.length
    if (rows.length >= count) return rows.slice(0, count).map(({ at }) => at)
  }
}

/**
 * All slots are filled at once, so that deliveries come in waves and a window's edge would decide whether
 * one more wave counts. Instead: how long each of the slots took for `turns` more deliveries.
 */
function rateOfSlots(settled: readonly number[], turns: number): number {
  const first = settled.slice(0, slots)
  const last = settled.slice(slots * turns, slots * (turns + 1))
  const seconds = (sum(last) - sum(first)) / slots
  return (slots * turns) / seconds
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
