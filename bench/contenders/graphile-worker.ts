import { EventEmitter } from 'node:events'

import pg from 'pg'

import { command, given, report } from '../support/contender.ts'
import { loadPeer } from '../support/load-peer.ts'

// graphile-worker at concurrency 24: as it is, or with what its page on performance sets (PRESET=local-queue).
type GraphileWorker = {
  run: (options: object) => Promise<{ stop(): Promise<void> }>
  runMigrations: (options: object) => Promise<void>
}

const { run, runMigrations } = await loadPeer<GraphileWorker>('graphile-worker')
const connectionString = given('DATABASE_URL')
const count = Number(given('JOBS'))
const concurrentJobs = 24
const batching = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }

const pool = new pg.Pool({ connectionString })
await runMigrations({ connectionString })
for (let added = 0; added < count; added += 1_000)
  await pool.query(
    `select count(*) from graphile_worker.add_jobs((
       select array_agg(json_populate_record(null::graphile_worker.job_spec, json_build_object(
                'identifier', 'noop', 'payload', json_build_object('orderId', uuidv7()))))
         from generate_series(1, $1::int)))`,
    [Math.min(1_000, count - added)],
  )
await pool.end()
await report({ ready: true })
await command()

const events = new EventEmitter()
const finished = Promise.withResolvers<void>()
let startedAt: number | undefined
let completed = 0
events.on('job:start', () => (startedAt ??= performance.now()))
events.on('job:complete', () => {
  completed += 1
  if (completed === count) finished.resolve()
})
const runner = await run({
  events,
  noHandleSignals: true,
  taskList: { noop: async () => {} },
  preset: {
    worker: {
      connectionString,
      concurrentJobs,
      maxPoolSize: concurrentJobs + 1,
      ...(given('PRESET') === 'local-queue' ? batching : {}),
    },
  },
})
await finished.promise
const seconds = (performance.now() - (startedAt ?? Number.NaN)) / 1_000
await report({ perSecond: count / seconds })
await runner.stop()
process.disconnect()
