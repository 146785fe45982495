import { Kysely, PostgresDialect } from 'kysely'

import type { Tables } from '#database/tables.ts'
import { createKey } from '#keys/create-key.ts'

import type { LoadReport } from '../contenders/load.ts'
import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { compare, median, resultOf, round } from '../support/figures.ts'
import { interleave } from '../support/interleave.ts'

export const scenario: Scenario = {
  name: 'intake',
  what: 'POST /orders over HTTP: key, validation, idempotency; 32 connections',
  async run(bench) {
    const rounds = await interleave(
      bench,
      {
        ours: () => measure(bench, startApi),
        insert: () => measure(bench, startServer('contenders/insert-server.ts')),
        send: () => measure(bench, startServer('contenders/send-server.ts')),
      },
      { rounds: bench.quick ? 1 : 3, figure: (round) => round.at32.perSecond },
    )
    const ours = perSecond(rounds.ours)
    return resultOf({
      scenario: 'intake',
      unit: 'orders/s',
      ours,
      comparisons: [
        compare(ours, {
          reference: 'bare Fastify + pg, a statement per request',
          figure: perSecond(rounds.insert),
          atLeast: 1.3,
        }),
        compare(ours, {
          reference: 'four pg-boss sends in the order’s transaction',
          figure: perSecond(rounds.send),
          atLeast: 10,
        }),
      ],
      details: {
        connections: 32,
        poolSize,
        p50Ms: median(rounds.ours.map(({ at32 }) => at32.p50Ms)),
        p99Ms: median(rounds.ours.map(({ at32 }) => at32.p99Ms)),
        referenceP99Ms: median(rounds.insert.map(({ at32 }) => at32.p99Ms)),
        at128: summary128(rounds),
        rounds,
      },
    })
  },
}

type Round = { at32: LoadReport; at128: LoadReport }
type Server = { url: string; authorization: string; stop(): Promise<unknown> }

// What DATABASE_POOL_SIZE is when nobody sets it, for everyone.
const poolSize = 10

/** One server on a fresh database, first at 32 connections, then at 128. */
async function measure(
  bench: Bench,
  start: (bench: Bench, database: BenchDatabase) => Promise<Server>,
): Promise<Round> {
  const database = await bench.createDatabase()
  const server = await start(bench, database)
  const seconds = bench.quick ? { warmUp: 1, measure: 3 } : { warmUp: 2, measure: 10 }
  await database.tidy()
  const at32 = await load(bench, server, { connections: 32, ...seconds })
  await database.tidy()
  const at128 = await load(bench, server, { connections: 128, ...seconds, measure: 5 })
  await server.stop()
  await database.drop()
  return { at32, at128 }
}

function load(
  bench: Bench,
  { url, authorization }: Server,
  { connections, warmUp, measure }: { connections: number; warmUp: number; measure: number },
): Promise<LoadReport> {
  const env = {
    URL: url,
    AUTHORIZATION: authorization,
    CONNECTIONS: String(connections),
    WARM_UP_SECONDS: String(warmUp),
    SECONDS: String(measure),
  }
  return bench.startContender('contenders/load.ts', { env }).report<LoadReport>()
}

async function startApi(bench: Bench, database: BenchDatabase): Promise<Server> {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: database.pool }) })
  const { key } = await createKey(db, {
    name: 'bench',
    scopes: ['orders:write'],
    // What one key may send is not what is measured.
    ratePerSecond: 1_000_000,
    who: 'bench',
  })
  const env = { DATABASE_URL: database.url, PORT: '0', DATABASE_POOL_SIZE: String(poolSize) }
  const api = bench.startOrderwheel(['api'], env)
  const [, url = ''] = await api.said(/listening at (http:[^"]+)/)
  return { url, authorization: `Bearer ${key}`, stop: () => api.stop() }
}

function startServer(file: string) {
  return async (bench: Bench, database: BenchDatabase): Promise<Server> => {
    const env = { DATABASE_URL: database.url, POOL_SIZE: String(poolSize) }
    const server = bench.startContender(file, { env })
    const { url } = await server.report<{ url: string }>()
    return { url, authorization: '', stop: () => server.stop() }
  }
}

function perSecond(rounds: readonly Round[]): number {
  return median(rounds.map(({ at32 }) => at32.perSecond))
}

function summary128(rounds: Record<'ours' | 'insert' | 'send', Round[]>) {
  const figure = (name: keyof typeof rounds) =>
    round(median(rounds[name].map(({ at128 }) => at128.perSecond)))
  return { ours: figure('ours'), insert: figure('insert'), send: figure('send') }
}
