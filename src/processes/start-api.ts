import { databaseOf } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import type { Part } from '#base/run-until-signal.ts'
import { createNotifier } from '#database/notify.ts'
import type { Database } from '#database/open-database.ts'
import { latestMigration, waitForSchema, whyNotReady } from '#database/schema-version.ts'
import { runDoctor, type DoctorOptions } from '#doctor/run-doctor.ts'
import { buildApp } from '#http/build-app.ts'
import { readOwner } from '#owner/read-owner.ts'

import { checkConnections } from './check-connections.ts'
import { openPartDatabase } from './open-part-database.ts'
import type { Setting } from './setting.ts'

/**
 * Starts the HTTP API, logs where it listens and answers its URL. It listens before the database is there or migrated;
 * `/readyz` says why it is not ready. Throws `port-taken`.
 */
export async function startApi(setting: Setting): Promise<string> {
  const { environment, run, logOf } = setting
  const log = logOf('api')
  const database = openPartDatabase('api', setting, { lockTimeoutMs })
  const { db, pool } = database
  const notify = createNotifier(pool, 'orderwheel_outbox', log)
  const latest = await latestMigration()
  const app = await buildApp({
    pool,
    db,
    log,
    targets: setting.config.targets,
    routes: setting.config.routes,
    deployment: environment.deployment,
    kinds: setting.config.kinds,
    payment: setting.config.payment,
    intake: setting.config.intake,
    production: environment.production,
    metricsToken: environment.metricsToken,
    outboxChanged: () => notify(),
    diagnose: () => runDoctor(examinedBy(setting)),
    async schemaReady() {
      const reason = await whyNotReady(db, latest)
      if (reason !== undefined) return { ready: false, reason }
      // It can take orders all the same.
      const owner = await readOwner(db, environment.deployment)
      return { ready: true, ...(owner.delivers ? {} : { note: owner.reason }) }
    },
  })
  run.add({ name: 'api', stage: 'work', stop: () => app.close() })
  if (setting.parts.at(-1) === 'api') run.add(checkLater(setting, database))
  const { host, port } = environment
  try {
    return await app.listen({ host, port, listenTextResolver })
  } catch (error) {
    throw explain(error, host, port)
  }
}

function examinedBy({ environment, config }: Setting): DoctorOptions {
  const { directDatabase, databasePoolSize, deployment } = environment
  const { targets, routes, intake } = config
  const database = databaseOf(environment)
  return {
    database,
    directDatabase,
    poolSize: databasePoolSize,
    deployment,
    targets,
    routes,
    intake,
  }
}

/** The api listens before its database is there: what the server allows is found out behind its back. */
function checkLater(setting: Setting, database: Database): Part {
  const log = setting.logOf('api')
  const ended = new AbortController()
  const signal = AbortSignal.any([setting.run.signal, ended.signal])
  const failed = Promise.withResolvers<never>()
  const checked = waitForSchema({ db: database.db, log, signal })
    .then(() => checkConnections(setting, database, log))
    .catch((error: unknown) => {
      // Of anything else /readyz tells.
      if (error instanceof OrderwheelError) failed.reject(error)
    })
  const stop = () => {
    ended.abort()
    return checked
  }
  return { name: 'connection check', stage: 'work', stop, failed: failed.promise }
}

/** A line of its own for each address of this machine, when HOST means all of them. */
function listenTextResolver(url: string): string {
  return `listening at ${url}`
}

// A buyer is waiting: an order that is in another's way is better tried again than left waiting for it.
const lockTimeoutMs = 1_000

function explain(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE' || code === 'EACCES') {
    const why =
      code === 'EACCES'
        ? 'may not be used by this user. Set PORT to another port, above 1023.'
        : 'is taken. Stop what uses it, or set PORT to another port.'
    return new OrderwheelError(
      'port-taken',
      `Port ${port} of ${host}, wanted for the API, ${why}`,
      { cause: error },
    )
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new OrderwheelError(
      'config',
      `HOST is "${host}", which is not an address of this machine: write 127.0.0.1, or 0.0.0.0 for all of its addresses.`,
      { cause: error },
    )
  return error
}
