import { setTimeout } from 'node:timers/promises'

import type { Database } from '#database/open-database.ts'
import { waitForSchema } from '#database/schema-version.ts'
import { declareQueues } from '#queues/declare-queues.ts'
import { openBoss, type Boss } from '#queues/open-boss.ts'
import { declareTargets } from '#status/declare-targets.ts'

import { openPartDatabase } from './open-part-database.ts'
import type { Setting } from './setting.ts'

/**
 * Connections and pg-boss for a relay or worker, with the queues of every target declared. Waits for a
 * database that is not there or not migrated yet, saying why, until it is or the process is stopped.
 */
export async function openQueues(
  part: 'relay' | 'worker',
  setting: Setting,
): Promise<Database & { boss: Boss }> {
  const { config, run, logOf } = setting
  const log = logOf(part)
  const database = openPartDatabase(part, setting)
  await waitForSchema({ db: database.db, log, signal: run.signal })

  let said = ''
  for (;;) {
    try {
      // The worker looks after pg-boss: it is the one that leaves finished jobs behind.
      const supervise = part === 'worker'
      const boss = await openBoss({ pool: database.pool, supervise, name: part, log })
      run.add({ name: `pg-boss of ${part}`, stage: 'queues', stop: () => boss.stop() })
      await declareQueues(boss, config.targets)
      await declareTargets(database.db, config.targets)
      return { ...database, boss }
    } catch (error) {
      // pg-boss's schema is installed after ours, and the server may go away at any moment.
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== said) log.warn({ reason }, 'pg-boss is not ready, waiting')
      said = reason
      await setTimeout(500, undefined, { signal: run.signal })
    }
  }
}
