import { setTimeout } from 'node:timers/promises'

import { OrderwheelError } from '#base/errors.ts'
import type { Database } from '#database/open-database.ts'
import { waitForSchema } from '#database/schema-version.ts'
import { isTransient } from '#database/transient-error.ts'
import { declareQueues } from '#queues/declare-queues.ts'
import { openBoss, type Boss } from '#queues/open-boss.ts'
import { declareTargets } from '#status/declare-targets.ts'

import { checkConnections } from './check-connections.ts'
import { openPartDatabase } from './open-part-database.ts'
import type { Setting } from './setting.ts'

/**
 * Connections and pg-boss for a relay or worker, with the queues of every target declared. Waits for a
 * database that is not there or not migrated yet, saying why, until it is or the process is stopped. Throws
 * `database` when pg-boss's schema stays one that this version cannot work with, `config` when the server allows
 * fewer connections than this process may come to hold.
 */
export async function openQueues(
  part: 'relay' | 'worker',
  setting: Setting,
): Promise<Database & { boss: Boss }> {
  const { run } = setting
  const log = setting.logOf(part)
  const database = openPartDatabase(part, setting)
  await waitForSchema({ db: database.db, log, signal: run.signal })
  if (setting.parts.at(-1) === part) await checkConnections(setting, database, log)

  let said = ''
  let refusedSince: number | undefined
  for (;;) {
    try {
      return { ...database, boss: await prepareQueues(part, setting, database) }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      // The server may go away at any moment, and comes back.
      refusedSince = isTransient(error) ? undefined : (refusedSince ?? performance.now())
      if (refusedSince !== undefined && performance.now() - refusedSince > patienceSeconds * 1_000)
        throw new OrderwheelError(
          'database',
          `pg-boss refuses to start: ${reason}. Run "orderwheel migrate" of this version, or start the version that migrated this database.`,
          { cause: error },
        )
      if (reason !== said) log.warn({ reason }, 'pg-boss is not ready, waiting')
      said = reason
      await setTimeout(500, undefined, { signal: run.signal })
    }
  }
}

// pg-boss's schema is installed right after ours. What lasts longer is another version's, and does not mend itself.
const patienceSeconds = 60

async function prepareQueues(
  part: 'relay' | 'worker',
  { config, run, logOf }: Setting,
  { db, pool }: Database,
): Promise<Boss> {
  // The worker looks after pg-boss: it is the one that leaves finished jobs behind.
  const supervise = part === 'worker'
  const boss = await openBoss({ pool, supervise, name: part, log: logOf(part) })
  try {
    await declareQueues(boss, config.targets)
    await declareTargets(db, config.targets)
  } catch (error) {
    await boss.stop()
    throw error
  }
  run.add({ name: `pg-boss of ${part}`, stage: 'queues', stop: () => boss.stop() })
  return boss
}
