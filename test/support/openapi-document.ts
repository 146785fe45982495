import type { FastifyInstance } from 'fastify'

import { createLog } from '#base/log.ts'
import { openDatabase } from '#database/open-database.ts'
import { buildApp } from '#http/build-app.ts'
import { problems } from '#http/problems.ts'

/** The file docs/openapi.json: what /openapi.json answers, indented. Needs no database. */
export async function openApiDocument(): Promise<string> {
  const database = openDatabase({
    connection: {},
    applicationName: 'orderwheel-openapi',
    maxConnections: 1,
    onConnectionLost: () => {},
  })
  const app: FastifyInstance = await buildApp({
    ...database,
    log: createLog('openapi', 'silent'),
    outboxChanged: () => {},
    diagnose: () => Promise.reject(new Error('This process examines nothing.')),
    production: true,
  })
  try {
    const { body } = await app.inject('/openapi.json')
    return `${JSON.stringify(JSON.parse(body), null, 2)}\n`
  } finally {
    await app.close()
    await database.close()
  }
}

/** The file src/client/problem-codes.ts: the client imports nothing of the server, so it has a list of its own. */
export function problemCodesFile(): string {
  const codes = Object.keys(problems).map((code) => `  '${code}',`)
  return [
    '/** Every error the API answers, as src/http/problems.ts has them: written by `npm run openapi`, never by hand. */',
    'export const problemCodes = [',
    ...codes,
    '] as const',
    '',
    'export type ProblemCode = (typeof problemCodes)[number]',
    '',
  ].join('\n')
}
