import { databaseOf } from '#base/environment.ts'
import { openDatabase, type Database, type DatabaseOptions } from '#database/open-database.ts'

import type { Setting } from './setting.ts'

/** The connections of one part; a DBA sees them as `orderwheel-<part>`. */
export function openPartDatabase(
  part: string,
  { environment, run, logOf }: Setting,
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
