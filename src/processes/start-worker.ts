import { directDatabaseOf } from '#base/environment.ts'
import { listen } from '#database/listen.ts'
import { createNotifier } from '#database/notify.ts'
import { type Replaying, startReplaying } from '#dead-letters/run-replays.ts'
import { startWorker as run, type Worker } from '#deliveries/run-worker.ts'
import { makeReport } from '#reports/make-report.ts'
import type { Call } from '#targets/target.ts'
import { startUpkeep } from '#upkeep/run-upkeep.ts'

import { openQueues } from './open-queues.ts'
import type { Setting } from './setting.ts'

/** Starts calling targets, all or only some: woken by notifications, polling as the floor. */
export async function startWorker(setting: Setting, only?: readonly string[]): Promise<Worker> {
  const { config, environment, logOf } = setting
  const log = logOf('worker')
  const { db, pool, boss } = await openQueues('worker', setting)
  const notifyJobs = createNotifier(pool, 'orderwheel_jobs', log)
  const notifyTargets = createNotifier(pool, 'orderwheel_targets', log)
  const making = { db, keepDays: config.retention.reportsDays }
  const call = (given: Call) => makeReport(making, given)
  const worker = run({
    db,
    boss,
    log,
    targets: config.targets.map((target) =>
      target.kind === 'reports' ? { ...target, call } : target,
    ),
    ...(only ? { only } : {}),
    slots: environment.workerSlots,
    stopSeconds: environment.stopSeconds,
    deployment: environment.deployment,
    jobsAdded: (names) => notifyJobs(...names),
    targetChanged: (name) => notifyTargets(name),
  })
  setting.run.add({ name: 'worker', stage: 'work', stop: () => worker.stop() })
  const replaying = startReplaying({ db, boss, log })
  setting.run.add({ name: 'replays', stage: 'work', stop: () => replaying.stop() })
  const upkeep = startUpkeep({ db, log, retention: config.retention })
  setting.run.add({ name: 'upkeep', stage: 'work', stop: () => upkeep.stop() })
  const listener = listen({
    connection: directDatabaseOf(environment),
    channels: ['orderwheel_jobs', 'orderwheel_targets', 'orderwheel_replays'],
    onNotification(names, channel) {
      if (channel === 'orderwheel_jobs') worker.wake(names.split(',').filter(Boolean))
      else if (channel === 'orderwheel_replays') replaying.wake()
      else worker.refresh()
    },
    applicationName: 'orderwheel-worker-listen',
    log,
  })
  setting.run.add({ name: 'listener of worker', stage: 'work', stop: () => listener.close() })
  return drainingBoth(worker, replaying)
}

/** What a running replay is about to give a job again is there, too, for a worker that ends when nothing is. */
function drainingBoth(worker: Worker, replaying: Replaying): Worker {
  return {
    ...worker,
    async drained(signal) {
      await replaying.drained(signal)
      await worker.drained(signal)
    },
  }
}
