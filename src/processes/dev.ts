import { join } from 'node:path'

import { onlyDeployment } from '#base/deployment.ts'
import type { Environment } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import { runUntilSignal, type Run } from '#base/run-until-signal.ts'
import { defineCommand, type Context } from '#cli/command.ts'
import { bringUpToDate } from '#cli/database/bring-up-to-date.ts'
import { explainDatabaseErrors, withConnections } from '#cli/with-database.ts'
import { loadConfig } from '#config/load-config.ts'
import { callSecondsAtStop } from '#deliveries/stop-deadline.ts'
import { startEmbeddedPostgres } from '#embedded-postgres/embedded-postgres.ts'
import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { startSimulator } from '#simulator/start-simulator.ts'

import { startBehind } from './all.ts'
import { createDevLogs, type LogOf } from './create-dev-logs.ts'
import { describeStart } from './describe-start.ts'
import { readSpeed } from './read-speed.ts'
import { closeTargets } from './run-process.ts'
import { fillIn, simulatedVariables } from './simulated-variables.ts'
import { startApi } from './start-api.ts'

export const dev = defineCommand({
  name: 'dev',
  summary:
    'Everything in one process, with simulated targets, on an embedded PostgreSQL unless DATABASE_URL is set',
  usage: '[--speed <number>]',
  options: {
    speed: {
      type: 'string',
      value: 'number',
      summary: 'Divides the latencies of the simulated targets (default 1)',
    },
  },
  async run({ values }, context) {
    const speed = readSpeed('dev', values.speed)
    refuseProduction(context.environment)
    const logOf = await createDevLogs(context.environment.logLevel)
    await runUntilSignal({
      start: (run) => start({ context, speed, logOf, run }),
      stopSeconds: context.environment.stopSeconds,
      stopping: () => context.print(describeStop(context.environment)),
      stoppingAtOnce: () => context.print('Stopped at once; the next start finishes the rest.'),
    })
    context.print('Stopped.')
    return 0
  },
})

function describeStop({ stopSeconds }: Environment): string {
  const seconds = callSecondsAtStop(stopSeconds)
  return `\nStopping: calls under way get up to ${seconds} s. Ctrl-C again stops at once.`
}

/** The development keys are in the README, and the embedded server is nobody's to look after. */
function refuseProduction({ production }: Environment): void {
  if (!production) return
  throw new OrderwheelError(
    'config',
    'NODE_ENV is production, and "orderwheel dev" is for development: unset NODE_ENV, or start "orderwheel all" with DATABASE_URL.',
  )
}

const parts = ['api', 'relay', 'worker'] as const

type Start = { context: Context; speed: number; logOf: LogOf; run: Run }

async function start({ context, speed, logOf, run }: Start): Promise<void> {
  const databaseUrl = context.environment.database
    ? undefined
    : await startServer({ context, logOf, run })
  const environment = withDatabaseUrl(context.environment, databaseUrl)
  const prepared = explainDatabaseErrors(() => prepareDatabase(environment, logOf('migrate')))
  await (databaseUrl === undefined ? prepared.catch(sayWhoseItIs) : prepared)
  run.signal.throwIfAborted()
  const simulator = await startSimulator({
    port: environment.simulatorPort,
    smtpPort: environment.smtpPort,
    speed,
    log: logOf('simulator'),
  })
  run.add({ name: 'simulator', stage: 'targets', stop: () => simulator.stop() })
  const config = await loadConfig({
    path: environment.configFile,
    environment: fillIn(environment.variables, simulatedVariables(simulator)),
  })
  run.add({ name: 'targets', stage: 'targets', stop: () => closeTargets(config) })
  const setting = { environment, config, run, parts, pools: [], logOf }
  // Every port first: a start that fails for a taken one has called no target.
  const url = await startApi(setting)
  run.signal.throwIfAborted()
  await startBehind(setting)
  run.signal.throwIfAborted()
  context.print(describeStart({ url, simulator, databaseUrl }))
}

/** Whoever pasted the printed DATABASE_URL into the terminal of the next start looks for a server that ended with the last. */
function sayWhoseItIs(error: unknown): never {
  if (!(error instanceof OrderwheelError) || error.code !== 'database') throw error
  throw new OrderwheelError(
    'database',
    `${error.message} It is set, so that no embedded PostgreSQL was started: unset DATABASE_URL to have one.`,
    { cause: error },
  )
}

/** Answers the URL of the embedded server. */
async function startServer({ context, logOf, run }: Omit<Start, 'speed'>): Promise<string> {
  const { dataDirectory, port } = context.environment
  const server = await startEmbeddedPostgres({
    dataDirectory: join(dataDirectory, 'postgres'),
    owner: `at http://127.0.0.1:${port}`,
    log: logOf('postgres'),
  })
  const failed = server.ended.then((lastWords) => {
    throw new OrderwheelError('database', `The embedded PostgreSQL ended by itself: ${lastWords}`)
  })
  run.add({ name: 'PostgreSQL', stage: 'server', stop: () => server.stop(), failed })
  if (server.note) context.print(server.note)
  return server.connectionString
}

function withDatabaseUrl(environment: Environment, databaseUrl: string | undefined): Environment {
  if (databaseUrl === undefined) return environment
  // What DIRECT_DATABASE_URL names is another database.
  const { directDatabase: _, ...rest } = environment
  // The embedded server is this environment's, whatever it is called by now.
  const deployment = { ...onlyDeployment, deliver: 'yes' as const }
  return { ...rest, deployment, database: { connectionString: databaseUrl } }
}

/** Migrates, and makes the development keys valid. */
async function prepareDatabase(environment: Environment, log: Log): Promise<void> {
  await bringUpToDate(environment, log)
  await withConnections(environment, ({ db }) => storeDevelopmentKeys(db))
}
