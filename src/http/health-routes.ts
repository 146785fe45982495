import type { FastifyInstance } from 'fastify'
import type pg from 'pg'

import { problemAnswers } from './describe-answers.ts'
import { HttpProblem } from './http-problem.ts'

export type SchemaReady = () => Promise<{ ready: boolean; reason?: string }>

type Health = { pool: pg.Pool; schemaReady: SchemaReady; isClosing: () => boolean }

/** GET /livez: the process answers. GET /readyz: it can take orders, or says why not. Neither needs a key. */
export function addHealthRoutes(app: FastifyInstance, health: Health): void {
  app.get('/livez', { schema: liveSchema }, async () => ({ status: 'live' }))

  app.get('/readyz', { schema: readySchema }, async () => {
    const reason = await whyNotReady(health)
    if (reason !== undefined) {
      throw new HttpProblem('not-ready', { detail: reason }, { 'retry-after': '1' })
    }
    return { status: 'ready' }
  })
}

async function whyNotReady({ pool, schemaReady, isClosing }: Health): Promise<string | undefined> {
  if (isClosing()) return 'the process is shutting down'
  try {
    await pool.query(ping)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    return `the database does not answer${code}`
  }
  try {
    const { ready, reason } = await schemaReady()
    return ready ? undefined : (reason ?? 'the database is not migrated')
  } catch {
    return 'the schema version could not be read'
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
const readySchema = {
  operationId: 'ready',
  summary: 'The process can take orders',
  tags: ['health'],
  response: {
    200: { ...status, description: 'It can.' },
    ...problemAnswers('not-ready'),
  },
}
