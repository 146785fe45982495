import { setTimeout } from 'node:timers/promises'

import { PgBoss } from 'pg-boss'

import { command, given, report } from '../support/contender.ts'

// pg-boss as its documentation shows it: a queue, a handler, nothing else said.
const queue = 'noop'
const boss = new PgBoss(given('DATABASE_URL'))
boss.on('error', console.error)
await boss.start()
await boss.createQueue(queue)
const jobs = Array.from({ length: Number(given('JOBS')) }, (_, number) => ({ data: { number } }))
await boss.insert(queue, jobs)
await report({ ready: true })
await command()

let done = 0
await boss.work(queue, async ([_job]) => {
  done += 1
})
const seconds = Number(given('SECONDS'))
await setTimeout(seconds * 1_000)
await report({ perSecond: done / seconds })
await boss.stop({ graceful: false })
process.disconnect()
