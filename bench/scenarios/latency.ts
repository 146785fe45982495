import { setTimeout } from 'node:timers/promises'

import { Kysely, PostgresDialect } from 'kysely'

import type { Tables } from '#database/tables.ts'
import { createKey } from '#keys/create-key.ts'

import type { StreamReport } from '../contenders/order-stream.ts'
import type { Bench, BenchDatabase, Comparison, Scenario } from '../scenario.ts'
import { percentile, round } from '../support/figures.ts'
import { type Sink, startSink } from '../support/start-sink.ts'

const perSecond = 50
// What was never called before is compiled in the first seconds; a shop's processes run for weeks.
const warmUpSeconds = 5

/**
 * From an order's commit to the target being called, with api, relay and worker as processes. The commit
 * is taken to be `received_at`, when its transaction began, and the call to be the end of the millisecond
 * in which the target had the request's head: both make it longer than it was. Both are clocks of this machine.
 */
export const scenario: Scenario = {
  name: 'latency',
  what: `from an order's commit to the target being called, ${perSecond} orders/s`,
  async run(bench) {
    const seconds = bench.quick ? 8 : 30
    const database = await bench.createDatabase()
    const sink = await startSink(bench, { records: true })
    const url = await startProduct(bench, database, sink)
    const stream = bench.startContender('contenders/order-stream.ts', {
      env: {
        ...url,
        PER_SECOND: String(perSecond),
        ORDERS: String(perSecond * (warmUpSeconds + seconds)),
      },
    })
    const { refused, answeredAt } = await stream.report<StreamReport>()
    if (refused > 0) throw new Error(`${refused} orders were refused`)
    const called = await calledAfter(database, sink, answeredAt)
    const measured = called.slice(perSecond * warmUpSeconds)
    const commit = measured.map(({ commitMs }) => commitMs)
    const comparisons = [
      within('p50', percentile(commit, 50), 15),
      within('p99', percentile(commit, 99), 60),
    ]
    return {
      scenario: 'latency',
      ours: round(percentile(commit, 50)),
      reference: 15,
      ratio: comparisons[0]?.ratio ?? Number.NaN,
      atLeast: 1,
      holds: comparisons.every(({ holds }) => holds),
      unit: 'ms',
      details: {
        comparisons,
        orders: measured.length,
        sinceCommitMs: quantiles(commit),
        sinceAnswerMs: quantiles(measured.map(({ answerMs }) => answerMs)),
        relayedAfterMs: quantiles(measured.map(({ relayedMs }) => relayedMs)),
        claimedAfterMs: quantiles(measured.map(({ claimedMs }) => claimedMs)),
      },
    }
  },
}

function within(name: string, ms: number, limitMs: number): Comparison {
  const ratio = round(limitMs / ms)
  return {
    reference: `${name} of at most ${limitMs} ms`,
    figure: round(ms),
    ratio,
    atLeast: 1,
    holds: ratio >= 1,
  }
}

function quantiles(ms: readonly number[]) {
  const at = (percent: number) => round(percentile(ms, percent))
  return { p50: at(50), p90: at(90), p99: at(99), most: at(100) }
}

async function startProduct(bench: Bench, { url, pool }: BenchDatabase, sink: Sink) {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  const { key } = await createKey(db, { name: 'bench', scopes: ['orders:write'], who: 'bench' })
  const env = { DATABASE_URL: url, BENCH_TARGETS: 'sink', BENCH_SINK_URL: sink.url, PORT: '0' }
  const worker = bench.startOrderwheel(['worker'], env)
  const relay = bench.startOrderwheel(['relay'], env)
  const api = bench.startOrderwheel(['api'], env)
  await Promise.all([worker.said(/worker started/), relay.said(/relay started/)])
  const [, listening = ''] = await api.said(/listening at (http:[^"]+)/)
  return { URL: listening, AUTHORIZATION: `Bearer ${key}` }
}

type Called = { commitMs: number; answerMs: number; relayedMs: number; claimedMs: number }

/** Waits until the target was called for every order; answers how long after what, the first order first. */
async function calledAfter(
  { pool }: BenchDatabase,
  sink: Sink,
  answeredAt: ReadonlyMap<string, number>,
): Promise<Called[]> {
  while ((await sink.look()).answered < answeredAt.size) await setTimeout(50)
  const { arrivals } = await sink.look()
  const { rows } = await pool.query<Row>(
    `select o.id, m.id as "messageId", ${epochMs('o.received_at')} as "receivedAt",
            ${epochMs('m.relayed_at')} as "relayedAt", ${epochMs('d.started_at')} as "claimedAt"
       from orderwheel.orders o
       join orderwheel.messages m on m.order_id = o.id
       join orderwheel.deliveries d on d.message_id = m.id
      order by o.received_at`,
  )
  return rows.map(({ id, messageId, receivedAt, relayedAt, claimedAt }) => {
    const calledAt = (arrivals.get(`sink-${messageId}`) ?? Number.NaN) + 1
    return {
      commitMs: calledAt - receivedAt,
      answerMs: calledAt - (answeredAt.get(id) ?? Number.NaN),
      relayedMs: relayedAt - receivedAt,
      claimedMs: claimedAt - receivedAt,
    }
  })
}

type Row = {
  id: string
  messageId: string
  receivedAt: number
  relayedAt: number
  claimedAt: number
}

function epochMs(column: string): string {
  return `extract(epoch from ${column})::float8 * 1000`
}
