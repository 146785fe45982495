import { declareQueues } from '#queues/declare-queues.ts'
import { targetDefaults } from '#targets/target.ts'

import { command, given, report } from '../support/contender.ts'
import { makeJobs, openBenchBoss } from './open-bench-boss.ts'

// A bare pump on the product's queue options: free slots are refilled by one fetch, what has ended is completed in
// bulk beside it, and nothing is recorded.
const queue = 'noop'
const slots = Number(given('CONCURRENCY'))
const count = Number(given('JOBS'))
// As many as the product lets wait for the database before it fetches no more.
const maxUnsettled = 1_000

const { boss, pool, close } = await openBenchBoss()
await declareQueues(boss, [{ ...targetDefaults, name: queue }])
const jobs = await makeJobs(pool, count)
for (let from = 0; from < count; from += 1_000)
  await boss.insert(queue, jobs.slice(from, from + 1_000))
await report({ ready: true })
await command()

let inFlight = 0
let fetched = 0
let completed = 0
let ended: string[] = []
let bell = Promise.withResolvers<void>()
const ring = () => {
  bell.resolve()
  bell = Promise.withResolvers()
}

const startedAt = performance.now()
await Promise.all([fetchAll(), completeAll()])
const seconds = (performance.now() - startedAt) / 1_000
await close()
await report({ perSecond: count / seconds })
process.disconnect()

async function fetchAll() {
  while (fetched < count) {
    const free = ended.length < maxUnsettled ? slots - inFlight : 0
    if (free === 0) {
      await bell.promise
      continue
    }
    const batch = await boss.fetch(queue, { batchSize: free })
    fetched += batch.length
    for (const { id } of batch) void call(id)
  }
}

async function call(id: string) {
  inFlight += 1
  await doNothing()
  inFlight -= 1
  ended.push(id)
  ring()
}

async function doNothing() {}

async function completeAll() {
  while (completed < count) {
    const batch = ended
    ended = []
    if (batch.length === 0) {
      await bell.promise
      continue
    }
    await boss.complete(queue, batch)
    completed += batch.length
    ring()
  }
}
