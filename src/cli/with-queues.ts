import { createLog } from '#base/log.ts'
import type { Environment } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import type { Database, Db } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'
import { openBoss, type Boss } from '#queues/open-boss.ts'

import { withDatabase } from './with-database.ts'

/** Like `withDatabase`, for commands that add or take away jobs. */
export function withQueues<T>(
  environment: Environment,
  work: (queues: { db: Db; boss: Boss }) => Promise<T>,
): Promise<T> {
  return withDatabase(environment, async (database) => {
    const boss = await open(database, environment)
    try {
      return await work({ db: database.db, boss })
    } finally {
      await boss.stop()
    }
  })
}

async function open({ pool }: Database, { logLevel }: Environment): Promise<Boss> {
  const log = createLog('cli', logLevel ?? 'warn')
  try {
    return await openBoss({ pool, supervise: false, name: 'cli', log })
  } catch (error) {
    if (isTransient(error)) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new OrderwheelError(
      'database',
      `pg-boss refuses to start: ${reason}. Run "orderwheel migrate" of this version first.`,
      { cause: error },
    )
  }
}
