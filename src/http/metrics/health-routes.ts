import type { FastifyInstance } from 'fastify'
import type pg from 'pg'

import { problemAnswers } from '#http/describe-answers.ts'
import { HttpProblem } from '#http/http-problem.ts'

import { remembering } from './remembering.ts'

/** `note`: what else an operator should know of a database that can take orders. */
export type SchemaReady = () => Promise<{ ready: boolean; reason?: string; note?: string }>

type Health = {
  pool: pg.Pool
  schemaReady: SchemaReady
  isClosing: () => boolean
  now?: (() => number) | undefined
}

/** The route needs no key: however often it is asked, the database is asked once a second. */
const rememberMilliseconds = 1_000

/** GET /livez: the process answers. GET /readyz: it can take orders, or says why not. Neither needs a key. */
export function addHealthRoutes(app: FastifyInstance, health: Health): void {
  app.get('/livez', { schema: liveSchema }, async () => ({ status: 'live' }))

  const ask = remembering(() => askDatabase(health), rememberMilliseconds, health.now)
  app.get('/readyz', { schema: readySchema }, async () => {
    const { reason, note } = health.isClosing() ? closing : await ask()
    if (reason !== undefined) {
      throw new HttpProblem('not-ready', { detail: reason }, { 'retry-after': '1' })
    }
    return { status: 'ready', ...(note === undefined ? {} : { note }) }
  })
}

/** `reason`: why the database cannot take orders; absent when it can. */
type Readiness = { reason?: string; note?: string }

const closing: Readiness = { reason: 'the process is shutting down' }

async function askDatabase({ pool, schemaReady }: Health): Promise<Readiness> {
  try {
    await pool.query(ping)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    return { reason: `the database does not answer${code}` }
  }
  try {
    const { ready, reason = 'the database is not migrated', note } = await schemaReady()
    return { ...(ready ? {} : { reason }), ...(note === undefined ? {} : { note }) }
  } catch {
    return { reason: 'the schema version could not be read' }
  }
}

// pg knows the timeout; its types do not, for an object written in the call.
const ping = { text: 'select 1', query_timeout: 2_000 }

const status = { type: 'object', properties: { status: { type: 'string' } } }
const liveSchema = {
  operationId: 'live',
  summary: 'The process is up',
  tags: ['health'],
  response: { 200: { ...status, description: 'It is.' } },
}
const note = { type: 'string', description: 'For example that nothing is delivered from a copy.' }
const readySchema = {
  operationId: 'ready',
  summary: 'The process can take orders',
  tags: ['health'],
  response: {
    200: { ...status, properties: { ...status.properties, note }, description: 'It can.' },
    ...problemAnswers('not-ready'),
  },
}
