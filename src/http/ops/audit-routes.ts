import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import { problemAnswers, usualProblems } from '#http/describe-answers.ts'
import { words, moment, limit, limitOf, readTimes } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { readAudit } from '#status/read-audit.ts'

import { opsAnswer, opsSchema } from './overview-answers.ts'
import type { OpsRoutes } from './replays-routes.ts'

/** GET /ops/audit: what people did, and why. */
export function addOpsAuditRoutes(app: FastifyInstance, { db, requires }: OpsRoutes): void {
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/ops/audit',
    onRequest: requires('ops:read'),
    schema,
    async handler({ query: { limit, ...search } }) {
      const page = await readAudit(db, { ...readTimes(search), limit: limitOf(limit) })
      if (page) return page
      const errors = [{ parameter: 'after', detail: 'is none of the places that a page ends with' }]
      throw new HttpProblem('invalid-query', { errors })
    },
  })
}

const schema = {
  tags: ['operations'],
  security: [{ apiKey: [] }],
  operationId: 'listAuditRecords',
  summary: 'What people did, the newest first',
  description:
    'With `who` or `action` it looks at 50 000 records: a page may have few, or none, and yet a `next`.',
  querystring: Type.Object(
    {
      who: Type.Optional(words(200)),
      action: Type.Optional({
        ...words(100),
        description: 'Also the first part of several: `target` means `target.paused`, too.',
      }),
      subject: Type.Optional({ ...words(200), description: 'A target, an order’s id, a key …' }),
      since: Type.Optional({ ...moment, description: 'Done then or later.' }),
      until: Type.Optional({ ...moment, description: 'Done before that.' }),
      limit,
      after: Type.Optional(Type.String({ maxLength: 200, description: 'A page’s `next`.' })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: opsAnswer(
      'A page.',
      Type.Object({
        records: Type.Array(opsSchema('AuditRecord')),
        next: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      }),
    ),
    ...problemAnswers(...usualProblems, 'invalid-query'),
  },
}
