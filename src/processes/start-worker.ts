import { directDatabaseOf } from '#base/environment.ts'
import { listen } from '#database/listen.ts'
import { createNotifier } from '#database/notify.ts'
import { startWorker as run, type Worker } from '#deliveries/run-worker.ts'

import { openQueues } from './open-queues.ts'
import type { Setting } from './setting.ts'

/** Starts calling targets, all or only some: woken by notifications, polling as the floor. */
export async function startWorker(setting: Setting, only?: readonly string[]): Promise<Worker> {
  const { config, environment, logOf } = setting
  const log = logOf('worker')
  const { db, pool, boss } = await openQueues('worker', setting)
  const notifyJobs = createNotifier(pool, 'orderwheel_jobs', log)
  const notifyTargets = createNotifier(pool, 'orderwheel_targets', log)
  const worker = run({
    db,
    boss,
    log,
    targets: config.targets,
    ...(only ? { only } : {}),
    slots: environment.workerSlots,
    stopSeconds: environment.stopSeconds,
    deployment: environment.deployment,
    jobsAdded: (names) => notifyJobs(...names),
    targetChanged: (name) => notifyTargets(name),
  })
  setting.run.add({ name: 'worker', stage: 'work', stop: () => worker.stop() })
  const listener = listen({
    connection: directDatabaseOf(environment),
    channels: ['orderwheel_jobs', 'orderwheel_targets'],
    onNotification(names, channel) {
      if (channel === 'orderwheel_jobs') worker.wake(names.split(',').filter(Boolean))
      else worker.refresh()
    },
    applicationName: 'orderwheel-worker-listen',
    log,
  })
  setting.run.add({ name: 'listener of worker', stage: 'work', stop: () => listener.close() })
  return worker
}
