import { fileURLToPath } from 'node:url'

import { Kysely, PostgresDialect } from 'kysely'

import type { Tables } from '#database/tables.ts'
import { freePort } from '#embedded-postgres/free-port.ts'
import { createKey } from '#keys/create-key.ts'
import { simulatedVariables } from '#processes/simulated-variables.ts'

import type { InlineReport } from '../contenders/inline-checkout.ts'
import type { PaidReport } from '../contenders/paid-checkout.ts'
import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { compare, median, percentile, resultOf, round } from '../support/figures.ts'

const config = fileURLToPath(new URL('../../orderwheel.config.ts', import.meta.url))

/**
 * What a buyer waits for: a checkout that calls everything itself, one after the other, and the same by Orderwheel, with
 * the shipped demo store and the same simulated targets, which take their usual times. And how long until each was told.
 */
export const scenario: Scenario = {
  name: 'checkout',
  what: 'what a buyer waits for: everything inline, and with Orderwheel',
  async run(bench) {
    const buyers = bench.quick ? 3 : 20
    const simulator = await startSimulator(bench)
    const inline = bench.startContender('contenders/inline-checkout.ts', {
      env: { SIMULATOR_URL: simulator.url, SMTP_URL: simulator.smtpUrl, CHECKOUTS: `${buyers}` },
    })
    bench.progress(`${buyers} checkouts that call everything themselves, some 21 s`)
    const { withErpMs, withoutErpMs, paymentMs } = await inline.report<InlineReport>()

    const database = await bench.createDatabase()
    const product = await startProduct(bench, database, simulator)
    const ours = bench.startContender('contenders/paid-checkout.ts', {
      env: { ...product, CHECKOUTS: `${buyers}` },
    })
    bench.progress('the same by Orderwheel, three times, each until every target is told')
    const { chargedMs, paidMs } = await ours.report<PaidReport>()
    const told = await whenTold(database)

    const perSecond = (ms: readonly number[]) => 1_000 / median(ms)
    return resultOf({
      scenario: 'checkout',
      unit: 'checkouts/s, one buyer after the other',
      ours: perSecond(chargedMs),
      comparisons: [
        compare(perSecond(chargedMs), {
          reference: 'everything inline, the ERP too',
          figure: perSecond(withErpMs),
          atLeast: 15,
        }),
        compare(perSecond(chargedMs), {
          reference: 'everything inline but the ERP',
          figure: perSecond(withoutErpMs),
          atLeast: 10,
        }),
        compare(perSecond(chargedMs), {
          reference: 'the payment alone',
          figure: perSecond(paymentMs),
          atLeast: 0.9,
        }),
      ],
      details: {
        buyers,
        inlineSeconds: inSeconds(withErpMs),
        inlineWithoutErpSeconds: inSeconds(withoutErpMs),
        paymentAloneSeconds: inSeconds(paymentMs),
        chargedByUsSeconds: inSeconds(chargedMs),
        alreadyPaidSeconds: inSeconds(paidMs),
        secondsUntilTold: told,
      },
    })
  },
}

function inSeconds(ms: readonly number[]) {
  const at = (percent: number) => round(percentile(ms, percent) / 1_000)
  return { p50: at(50), most: at(100) }
}

async function startSimulator(bench: Bench) {
  const [port, smtpPort] = [await freePort(), await freePort()]
  const simulator = bench.startOrderwheel(['simulate'], {
    ORDERWHEEL_SIMULATOR_PORT: `${port}`,
    ORDERWHEEL_SMTP_PORT: `${smtpPort}`,
  })
  await simulator.said(/Simulated targets at/)
  return { url: `http://127.0.0.1:${port}`, smtpUrl: `smtp://127.0.0.1:${smtpPort}` }
}

async function startProduct(
  bench: Bench,
  { url, pool }: BenchDatabase,
  simulator: { url: string; smtpUrl: string },
) {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  const { key } = await createKey(db, {
    name: 'bench',
    scopes: ['orders:write', 'orders:read'],
    who: 'bench',
  })
  const env = {
    ...simulatedVariables(simulator),
    ORDERWHEEL_CONFIG: config,
    DATABASE_URL: url,
    PORT: '0',
  }
  const worker = bench.startOrderwheel(['worker'], env)
  const relay = bench.startOrderwheel(['relay'], env)
  const api = bench.startOrderwheel(['api'], env)
  await Promise.all([worker.said(/worker started/), relay.said(/relay started/)])
  const [, listening = ''] = await api.said(/listening at (http:[^"]+)/)
  return { URL: listening, AUTHORIZATION: `Bearer ${key}` }
}

/** By target, how long after the order was received it was told, in seconds; of orders that came with a card. */
async function whenTold({ pool }: BenchDatabase): Promise<Record<string, object>> {
  const { rows } = await pool.query<{ target: string; state: string; seconds: number }>(
    `select d.target, d.state, extract(epoch from d.settled_at - o.received_at)::float8 as seconds
       from orderwheel.deliveries d join orderwheel.orders o on o.id = d.order_id
      where o.external_id like 'CARD-%'`,
  )
  const untold = rows.find(({ state }) => state !== 'delivered')
  if (untold) throw new Error(`${untold.target} was not told of an order, it is ${untold.state}`)
  return summarise(rows)
}

function summarise(rows: readonly { target: string; seconds: number }[]) {
  const byTarget = Map.groupBy(rows, ({ target }) => target)
  const told = [...byTarget].map(([target, found]) => {
    const seconds = found.map((one) => one.seconds)
    return [target, { p50: round(median(seconds)), most: round(Math.max(...seconds)) }] as const
  })
  return Object.fromEntries(told.toSorted(([, a], [, b]) => a.p50 - b.p50))
}
