import { declareQueues } from '#queues/declare-queues.ts'
import { targetDefaults } from '#targets/target.ts'

import { given, report } from '../support/contender.ts'
import { makeJobs, openBenchBoss } from './open-bench-boss.ts'

// pg-boss's own bulk insert, and nothing else: into the queues the relay fills, as many jobs at a time.
const queues = given('QUEUES').split(',')
const messages = Number(given('MESSAGES'))
const atATime = Number(given('AT_A_TIME'))

const { boss, pool, close } = await openBenchBoss()
await declareQueues(
  boss,
  queues.map((name) => ({ ...targetDefaults, name })),
)
const jobs = await makeJobs(pool, messages)

const startedAt = performance.now()
for (let from = 0; from < jobs.length; from += atATime) {
  const batch = jobs.slice(from, from + atATime)
  for (const queue of queues) await boss.insert(queue, batch)
}
const seconds = (performance.now() - startedAt) / 1_000

await close()
await report({ perSecond: (messages * queues.length) / seconds })
process.disconnect()
