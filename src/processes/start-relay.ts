import { hostname } from 'node:os'

import { startAlerting } from '#alerts/start-alerting.ts'
import { directDatabaseOf } from '#base/environment.ts'
import { listen } from '#database/listen.ts'
import { createNotifier } from '#database/notify.ts'
import { waitsByDesign } from '#owner/owner-fit.ts'
import { readOwner } from '#owner/read-owner.ts'
import type { ReconcileOptions } from '#payments/reconcile-payments.ts'
import { startReconciling } from '#payments/start-reconciling.ts'
import { startRelay as run, type RelayOptions } from '#relay/run-relay.ts'
import { startVerifying } from '#verify/start-verifying.ts'

import { openQueues } from './open-queues.ts'
import type { Setting } from './setting.ts'

/** Starts relaying: woken by the api's notifications, polling as the floor. */
export async function startRelay(setting: Setting): Promise<void> {
  const options = await openRelay(setting)
  const relay = run(options)
  setting.run.add({ name: 'relay', stage: 'work', stop: () => relay.stop() })
  const listener = listen({
    connection: directDatabaseOf(setting.environment),
    channels: ['orderwheel_outbox'],
    onNotification: relay.wake,
    applicationName: 'orderwheel-relay-listen',
    log: options.log,
  })
  setting.run.add({ name: 'listener of relay', stage: 'work', stop: () => listener.close() })
  const paying = reconciliation(setting, options, relay.wake)
  if (paying) {
    const reconciling = startReconciling(paying)
    setting.run.add({ name: 'reconciling', stage: 'work', stop: () => reconciling.stop() })
  }
  watchOver(setting, options)
}

/** What finds out which orders were paid; undefined: no gateway is configured. */
export function reconciliation(
  { config, environment }: Setting,
  { db, log }: RelayOptions,
  outboxChanged: () => void,
): ReconcileOptions | undefined {
  const { payment: gateway } = config
  const mayCharge = async () => (await readOwner(db, environment.deployment)).delivers
  return gateway ? { db, gateway, log, mayCharge, outboxChanged } : undefined
}

/** What looks after the shop from time to time runs beside the relay, of which every shop has one. */
function watchOver(setting: Setting, { db, log }: RelayOptions): void {
  const { deployment } = setting.environment
  const who = `relay ${hostname()}:${process.pid}`
  const verifying = startVerifying({ db, log, who })
  setting.run.add({ name: 'verifying', stage: 'work', stop: () => verifying.stop() })
  const alerting = startAlerting({
    db,
    log,
    address: setting.config.alerts,
    intake: setting.config.intake,
    delivering: async () => ({
      ...(await readOwner(db, deployment)),
      waitsByDesign: waitsByDesign(deployment),
    }),
  })
  setting.run.add({ name: 'alerting', stage: 'work', stop: () => alerting.stop() })
}

/** What a relay works with: for a single pass, too. */
export async function openRelay(setting: Setting): Promise<RelayOptions> {
  const { config, logOf } = setting
  const log = logOf('relay')
  const { db, pool, boss } = await openQueues('relay', setting)
  const notify = createNotifier(pool, 'orderwheel_jobs', log)
  const { targets, routes, kinds } = config
  return { db, boss, targets, routes, kinds, log, jobsAdded: (names) => notify(...names) }
}
