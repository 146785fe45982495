import pg from 'pg'

import { OrderwheelError } from '#base/errors.ts'
import type { Log } from '#base/log.ts'
import { connectionBudget } from '#database/connection-budget.ts'
import { type ConnectionLimit, readConnectionLimits } from '#database/connection-limits.ts'
import type { Database } from '#database/open-database.ts'
import { isThroughPooler } from '#database/set-up-connection.ts'
import { isTransient } from '#database/transient-error.ts'

import type { PartName, Setting } from './setting.ts'

/**
 * Compares the connections this process may come to hold with what the server allows: warns when there is no room
 * for them beside those of others now. Behind a pooler only listeners reach the server. Throws `config` when it
 * could never have them. What cannot be found out is not checked.
 */
export async function checkConnections(
  setting: Setting,
  { pool }: Database,
  log: Log,
): Promise<void> {
  const { directDatabase } = setting.environment
  try {
    if (directDatabase) refuse(setting, await readDirectly(directDatabase), listenersOf(setting))
    else await compare(setting, await readPooled(pool), log)
  } catch (error) {
    // The statements that need connections will say so.
    if (!isTransient(error)) throw error
  }
}

async function readDirectly(connection: pg.ClientConfig): Promise<ConnectionLimit[]> {
  const client = new pg.Client({
    ...connection,
    application_name: 'orderwheel-check',
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  })
  // The statement in flight fails too.
  client.on('error', () => {})
  await client.connect()
  try {
    return await readUnlessPooled(client)
  } finally {
    await client.end()
  }
}

async function readPooled(pool: pg.Pool): Promise<ConnectionLimit[]> {
  const client = await pool.connect()
  try {
    return await readUnlessPooled(client)
  } finally {
    client.release()
  }
}

/** What the pooler may open on the server is its own affair, and so is how many may come to it. */
async function readUnlessPooled(client: pg.ClientBase): Promise<ConnectionLimit[]> {
  return (await isThroughPooler(client)) ? [] : readConnectionLimits(client)
}

async function compare(setting: Setting, limits: ConnectionLimit[], log: Log): Promise<void> {
  const { parts, pools, environment } = setting
  const { pooled, listening } = connectionBudget(countParts(parts), environment.databasePoolSize)
  const budget = pooled + listening
  refuse(setting, limits, budget)
  // About: a connection that is being opened may be in one of the two numbers and not yet in the other.
  const ours = pools.reduce((sum, pool) => sum + pool.totalCount, 0)
  const room = ({ allowed, taken }: ConnectionLimit) => allowed - Math.max(0, taken - ours)
  const [least] = limits.toSorted((a, b) => room(a) - room(b))
  if (!least || room(least) >= budget) return
  const reason = `${describeBudget(setting, budget)}; ${least.name} allows ${least.allowed}, and others hold about ${Math.max(0, least.taken - ours)} of them. Lower DATABASE_POOL_SIZE here or there, or raise the limit`
  log.warn({ reason }, 'connections may run out')
}

function refuse(setting: Setting, limits: ConnectionLimit[], budget: number): void {
  const [least] = limits.toSorted((a, b) => a.allowed - b.allowed)
  if (!least || least.allowed >= budget) return
  const listeners = listenersOf(setting)
  const size = Math.floor((least.allowed - listeners) / setting.parts.length)
  // Smaller pools are no help when it is the listeners that do not fit, and 2 is the smallest.
  const smaller = budget > listeners && size >= 2 ? `set DATABASE_POOL_SIZE to ${size}, or ` : ''
  throw new OrderwheelError(
    'config',
    `${describeBudget(setting, budget)}, and ${least.name} allows ${least.allowed}: ${smaller}raise that limit to ${budget} or more.`,
  )
}

function describeBudget(setting: Setting, budget: number): string {
  const { parts, environment } = setting
  const pools = budget === listenersOf(setting) ? '' : `${environment.databasePoolSize} each`
  const listening = listenersOf(setting) === 0 ? '' : `${listenersOf(setting)} to listen`
  return `${parts.join(', ')} may hold ${budget} database connections (${[pools, listening].filter(Boolean).join(', ')})`
}

function listenersOf({ parts, environment }: Setting): number {
  return connectionBudget(countParts(parts), environment.databasePoolSize).listening
}

function countParts(parts: Setting['parts']) {
  const count = (part: PartName) => parts.filter((one) => one === part).length
  return { api: count('api'), relay: count('relay'), worker: count('worker') }
}
