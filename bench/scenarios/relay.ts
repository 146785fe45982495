import type { Bench, BenchDatabase, Scenario } from '../scenario.ts'
import { compare, median, resultOf, round } from '../support/figures.ts'
import { fillOutbox } from '../support/fill-outbox.ts'
import { interleave } from '../support/interleave.ts'

export const scenario: Scenario = {
  name: 'relay',
  what: 'messages turned into jobs for four targets',
  async run(bench) {
    const messages = bench.quick ? 4_000 : 20_000
    const rounds = await interleave(
      bench,
      {
        ours: () => relayAll(bench, { messages, relays: 1 }),
        insert: () => insertAll(bench, messages),
        'two relays': () => relayAll(bench, { messages, relays: 2 }),
      },
      { rounds: bench.quick ? 1 : 5, figure: (perSecond) => perSecond },
    )
    const ours = median(rounds.ours)
    return resultOf({
      scenario: 'relay',
      unit: 'jobs/s',
      ours,
      comparisons: [
        compare(ours, {
          reference: 'pg-boss’s own bulk insert of the same jobs',
          figure: median(rounds.insert),
          atLeast: 0.7,
        }),
      ],
      details: {
        messages,
        targets: targets.length,
        messagesPerSecond: round(ours / targets.length),
        secondRelay: round(median(rounds['two relays']) / ours),
        rounds,
      },
    })
  },
}

const targets = ['erp', 'email', 'webhook', 'analytics']
// The relay's batch (run-relay.ts).
const atATime = 500

async function relayAll(
  bench: Bench,
  { messages, relays }: { messages: number; relays: number },
): Promise<number> {
  const database = await bench.createDatabase()
  await fillOutbox(database.pool, messages)
  await database.tidy()
  const env = { DATABASE_URL: database.url, BENCH_TARGETS: targets.join(',') }
  const started = Array.from({ length: relays }, () =>
    bench.startOrderwheel(['relay', '--drain'], env),
  )
  for (const relay of started)
    if ((await relay.ended) !== 0) throw new Error(`the relay failed:\n${relay.output()}`)
  const perSecond = await relayedPerSecond(database)
  await database.drop()
  return round(perSecond * targets.length)
}

/**
 * From the begin of the first batch to the begin of the last, which are what `relayed_at` is: whole batches with their
 * commits, without the start of a process. Of the last two only the time counts: they end later.
 */
async function relayedPerSecond({ pool }: BenchDatabase): Promise<number> {
  const { rows } = await pool.query<{ per_second: number }>(`
    with last_two as (
      select distinct relayed_at from orderwheel.messages order by relayed_at desc limit 2
    ), span as (
      select (select min(relayed_at) from orderwheel.messages) as first,
             min(relayed_at) as counted, max(relayed_at) as last from last_two
    )
    select (count(*) / extract(epoch from max(span.last) - min(span.first)))::float8 as per_second
      from orderwheel.messages, span where relayed_at < span.counted`)
  return rows[0]?.per_second ?? 0
}

async function insertAll(bench: Bench, messages: number): Promise<number> {
  const database = await bench.createDatabase()
  await database.tidy()
  const env = {
    DATABASE_URL: database.url,
    QUEUES: targets.join(','),
    MESSAGES: String(messages),
    AT_A_TIME: String(atATime),
  }
  const contender = bench.startContender('contenders/bulk-insert.ts', { env })
  const { perSecond } = await contender.report<{ perSecond: number }>()
  await contender.stop()
  await database.drop()
  return round(perSecond)
}
