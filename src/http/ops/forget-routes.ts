import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { tidyReason } from '#http/tidy-reason.ts'

type ForgetRoutes = { db: Db; requires: ReturnType<typeof createAuthenticator> }

/** POST /ops/forget: what orderwheel forget does. */
export function addOpsForgetRoutes(app: FastifyInstance, { db, requires }: ForgetRoutes): void {
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'POST',
    url: '/ops/forget',
    onRequest: requires('ops:write'),
    config: { invalidBody: 'invalid-body' },
    schema,
    handler({ body, apiKey }) {
      const { email, customerId = null, reason, evenOpen = false, dryRun = false } = body
      return forgetPerson(db, {
        person: { email, customerId },
        who: apiKey?.name ?? '',
        reason: tidyReason(reason),
        evenOpen,
        dryRun,
      })
    },
  })
}

const ForgottenAnswer = Type.Object({
  id: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'uuid' }),
  dryRun: Type.Boolean(),
  orders: Type.Integer({ description: 'Orders whose personal data was removed, or would be.' }),
  refused: Type.Array(
    Type.Object({
      orderId: Type.String({ format: 'uuid' }),
      externalId: Type.String(),
      open: Type.Array(Type.String(), { description: 'What has yet to be told.' }),
      kept: Type.Array(Type.String(), { description: 'What keeps it even with `evenOpen`.' }),
    }),
    { description: 'Orders that were left alone; at most 1 000 of them.' },
  ),
  refusedCount: Type.Integer(),
  masked: Type.Integer({ description: 'Mentions elsewhere that were removed.' }),
})

const schema = {
  tags: ['operations'],
  security: [{ apiKey: [] }],
  operationId: 'forgetPerson',
  summary: 'Remove a person’s data from their orders',
  description:
    'Answers when it is done: for a million orders 5 to 30 s. Repeating it, also after no answer, does what is left to do. Orders that targets have yet to be told of are left alone, unless `evenOpen` gives up on telling them.',
  body: Type.Object(
    {
      email: Type.String({ format: 'email', maxLength: 254, examples: ['ada@example.com'] }),
      customerId: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
      reason: Type.Optional(Type.String({ maxLength: 1_000 })),
      evenOpen: Type.Optional(Type.Boolean()),
      dryRun: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false },
  ),
  response: {
    200: {
      description: 'What was done, and what was not.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: ForgottenAnswer } },
    },
    ...problemAnswers(
      ...usualProblems,
      'invalid-json',
      'invalid-body',
      'body-too-large',
      'unsupported-media-type',
      'request-timeout',
    ),
  },
}
