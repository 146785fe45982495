import type { ClientConfig } from 'pg'

import { readDatabase } from './database-from-environment.ts'
import { readDeployment, type Deployment } from './deployment.ts'
import { OrderwheelError } from './errors.ts'

/** What Orderwheel itself reads from the environment; targets name further variables in the configuration file. */
export const environmentVariables = [
  {
    name: 'DATABASE_URL',
    description: 'PostgreSQL 18, as postgresql://user:password@host:5432/database',
  },
  {
    name: 'POSTGRESQL_HOST',
    description:
      'Instead of DATABASE_URL, with POSTGRESQL_PORT, _PATH (the database), _USERNAME and _PASSWORD',
  },
  {
    name: 'DIRECT_DATABASE_URL',
    description:
      'If DATABASE_URL goes through PgBouncer: the server itself, for notifications and migrations',
  },
  {
    name: 'DATABASE_POOL_SIZE',
    default: '10',
    description: 'Connections each of api, relay and worker may hold',
  },
  {
    name: 'ORDERWHEEL_ENVIRONMENT',
    description:
      'Name of this environment, for copies of its database to deliver nothing; on Upsun the platform’s',
  },
  {
    name: 'ORDERWHEEL_DELIVER',
    description: 'yes or no: whether targets are called, whoever owns the database',
  },
  {
    name: 'ORDERWHEEL_STOP_SECONDS',
    default: '10',
    description:
      'How long a process may take to stop; calls get all but 2 s. The platform must kill 4 s later or more',
  },
  {
    name: 'ORDERWHEEL_WORKER_SLOTS',
    default: '1000',
    description: 'Calls a worker process can have in flight, to all targets together',
  },
  { name: 'PORT', default: '8080', description: 'Where the API listens' },
  {
    name: 'HOST',
    default: '127.0.0.1',
    description: 'Address the API listens on; 0.0.0.0 to be reached from other machines',
  },
  {
    name: 'LOG_LEVEL',
    default: 'info',
    description:
      'trace, debug, info, warn, error, fatal or silent; dev: warn, and info for deliveries',
  },
  {
    name: 'ORDERWHEEL_CONFIG',
    default: 'orderwheel.config.ts',
    description: 'The configuration file',
  },
  {
    name: 'ORDERWHEEL_DATA_DIR',
    default: '.orderwheel',
    description: 'Where dev keeps the embedded PostgreSQL',
  },
  {
    name: 'ORDERWHEEL_SIMULATOR_PORT',
    default: '3900',
    description: 'Where the simulated targets listen',
  },
  {
    name: 'ORDERWHEEL_SMTP_PORT',
    default: '2525',
    description: 'Where the simulated mail server listens',
  },
  {
    name: 'ORDERWHEEL_METRICS_TOKEN',
    description: 'What scrapers of /metrics have to send as a bearer token; without, anybody may',
  },
  {
    name: 'NODE_ENV',
    description: 'production refuses the development keys and the embedded PostgreSQL',
  },
] as const satisfies readonly { name: string; default?: string; description: string }[]

export type Environment = {
  /** Absent: `dev` starts the embedded server, every other command refuses. */
  database?: ClientConfig
  /** For LISTEN and migrations, when `database` goes through a transaction pooler. */
  directDatabase?: ClientConfig
  databasePoolSize: number
  deployment: Deployment
  /** From the signal until a worker has handed back and settled; the process as a whole gets 3 s more. */
  stopSeconds: number
  /** Calls a worker process can have in flight, to all targets together. */
  workerSlots: number
  port: number
  host: string
  /** Absent when LOG_LEVEL is: what is normal depends on the command. */
  logLevel?: string
  configFile: string
  dataDirectory: string
  simulatorPort: number
  smtpPort: number
  /** Absent: /metrics is open. */
  metricsToken?: string
  production: boolean
  /** Everything, for the variables that the configuration file names. */
  variables: Variables
}

export type Variables = Readonly<Record<string, string | undefined>>

/** Reads and checks the environment. Throws `config` with a line for every mistake; empty means not set. */
export function readEnvironment(variables: Variables = process.env): Environment {
  const mistakes: string[] = []
  const database = readDatabase(variables, 'DATABASE_URL', mistakes)
  const directDatabase = readDatabase(variables, 'DIRECT_DATABASE_URL', mistakes)
  const text = (name: Name) => variables[name] || defaultOf(name)
  const number = (name: Name, lowest: number, highest: number) =>
    readNumber({ name, text: text(name), lowest, highest }, mistakes)
  const logLevel = readLogLevel(variables, mistakes)
  const deployment = readDeployment(variables, mistakes)
  const environment: Environment = {
    deployment,
    ...(database ? { database } : {}),
    ...(directDatabase ? { directDatabase } : {}),
    // The relay listens, relays and looks after pg-boss at the same time.
    databasePoolSize: number('DATABASE_POOL_SIZE', 2, 1_000),
    // Calls get all but 2 s of it. The longest call there may be takes an hour.
    stopSeconds: number('ORDERWHEEL_STOP_SECONDS', 3, 3_602),
    workerSlots: number('ORDERWHEEL_WORKER_SLOTS', 1, 100_000),
    port: number('PORT', 0, 65_535),
    host: text('HOST'),
    ...(logLevel ? { logLevel } : {}),
    configFile: text('ORDERWHEEL_CONFIG'),
    dataDirectory: text('ORDERWHEEL_DATA_DIR'),
    simulatorPort: number('ORDERWHEEL_SIMULATOR_PORT', 0, 65_535),
    smtpPort: number('ORDERWHEEL_SMTP_PORT', 0, 65_535),
    ...(variables['ORDERWHEEL_METRICS_TOKEN']
      ? { metricsToken: variables['ORDERWHEEL_METRICS_TOKEN'] }
      : {}),
    production: variables['NODE_ENV'] === 'production',
    variables,
  }
  if (mistakes.length > 0) throw new OrderwheelError('config', mistakes.join('\n'))
  return environment
}

/** The database, for commands that cannot do without. */
export function databaseOf(environment: Environment): ClientConfig {
  if (environment.database) return environment.database
  throw new OrderwheelError(
    'config',
    'DATABASE_URL is not set: give a PostgreSQL 18 as postgresql://user:password@host:5432/database. Only "orderwheel dev" brings its own.',
  )
}

/** The database without the pooler that DATABASE_URL may go through: for LISTEN, migrations and session locks. */
export function directDatabaseOf(environment: Environment): ClientConfig {
  return environment.directDatabase ?? databaseOf(environment)
}

type Name = (typeof environmentVariables)[number]['name']

function defaultOf(name: Name): string {
  const found = environmentVariables.find((variable) => variable.name === name)
  return found && 'default' in found ? found.default : ''
}

function readNumber(
  wanted: { name: Name; text: string; lowest: number; highest: number },
  mistakes: string[],
): number {
  const { name, text, lowest, highest } = wanted
  const number = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
  if (number >= lowest && number <= highest) return number
  mistakes.push(
    `${name} is "${text}": write a whole number from ${lowest} to ${highest}, for example ${defaultOf(name)}.`,
  )
  return lowest
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

function readLogLevel(variables: Variables, mistakes: string[]): string | undefined {
  const level = variables['LOG_LEVEL'] || undefined
  if (level === undefined || logLevels.includes(level)) return level
  mistakes.push(`LOG_LEVEL is "${level}": write one of ${logLevels.join(', ')}.`)
  return undefined
}
