import { databaseOf } from '#base/environment.ts'
import { openDatabase, type Database, type DatabaseOptions } from '#database/open-database.ts'

import type { PartName, Setting } from './setting.ts'

/** The connections of one part; a DBA sees them as `orderwheel-<part>`. */
export function openPartDatabase(
  part: PartName,
  { environment, run, pools, logOf }: Setting,
  limits: Pick<DatabaseOptions, 'lockTimeoutMs'> = {},
): Database {
  let closing = false
  const database = openDatabase({
    connection: databaseOf(environment),
    applicationName: `orderwheel-${part}`,
    maxConnections: environment.databasePoolSize,
    ...limits,
    onConnectionLost(error) {
      // A server that stops right behind us cuts connections that have said good-bye already.
      if (!closing) logOf(part).warn({ err: error }, 'connection lost, reconnecting')
    },
  })
  pools.push(database.pool)
  run.add({
    name: `connections of ${part}`,
    stage: 'connections',
    stop() {
      closing = true
      return database.close()
    },
  })
  return database
}
