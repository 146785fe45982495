import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { requestVerification } from '#verify/due-verification.ts'
import { explainFinding } from '#verify/explain-finding.ts'
import { findingKinds } from '#verify/finding.ts'
import { readLastVerification } from '#verify/read-verification.ts'

type VerifyRoutes = { db: Db; requires: ReturnType<typeof createAuthenticator> }

/** GET /ops/verify: what the last verification came to. POST /ops/verify: asks for one, which a relay does. */
export function addOpsVerifyRoutes(app: FastifyInstance, { db, requires }: VerifyRoutes): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'GET',
    url: '/ops/verify',
    onRequest: requires('ops:read'),
    schema: getSchema,
    handler: () => answer(db),
  })

  routes.route({
    method: 'POST',
    url: '/ops/verify',
    onRequest: requires('ops:write'),
    config: { invalidBody: 'invalid-body' },
    schema: postSchema,
    async handler({ body, apiKey }, reply) {
      const isFull = body?.full ?? false
      const requestedAt = await requestVerification(db, { who: apiKey?.name ?? '', isFull })
      void reply.code(202).header('location', '/ops/verify')
      return { requestedAt, full: isFull }
    },
  })
}

async function answer(db: Db) {
  const last = await readLastVerification(db)
  if (!last) return never
  const findings = last.findings.map((finding) => {
    const { what, mend } = explainFinding(finding)
    return { ...finding, class: findingKinds[finding.kind], what, mend }
  })
  return { ...last, findings }
}

const never = {
  lost: null,
  stuck: null,
  disorders: null,
  checked: 0,
  checkedRows: { orders: 0, messages: 0, deliveries: 0, jobs: 0 },
  checkedAt: null,
  seconds: null,
  full: false,
  requestedBy: null,
  counts: {},
  findings: [],
}

const count = Type.Integer()
const text = Type.Unsafe<string | null>({ type: ['string', 'null'] })
const countOrNever = Type.Unsafe<number | null>({ type: ['integer', 'null'] })
const time = Type.Unsafe<Date | null>({ type: ['string', 'null'], format: 'date-time' })

const VerifyAnswer = Type.Object({
  lost: Type.Unsafe<number | null>({
    type: ['integer', 'null'],
    description: 'What nobody would ever be told of without help; null: nothing was verified yet.',
  }),
  stuck: countOrNever,
  disorders: countOrNever,
  checked: Type.Integer({ description: 'Orders that were looked at.' }),
  checkedRows: Type.Object({ orders: count, messages: count, deliveries: count, jobs: count }),
  checkedAt: time,
  seconds: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
  full: Type.Boolean({
    description: 'Everything, or what was open or came since the one before.',
  }),
  requestedBy: text,
  counts: Type.Record(Type.String(), count, { description: 'Findings by kind, all of them.' }),
  findings: Type.Array(
    Type.Object({
      kind: Type.String(),
      class: Type.String({ enum: ['lost', 'stuck', 'disorder'] }),
      order: text,
      orderId: text,
      messageId: text,
      message: text,
      target: text,
      since: text,
      what: Type.String(),
      mend: Type.String({ description: 'The command that mends it, or what to look at.' }),
    }),
    { description: 'The first 1 000.' },
  ),
})

const described = { tags: ['operations'], security: [{ apiKey: [] }] }

const getSchema = {
  ...described,
  operationId: 'getVerification',
  summary: 'What the last verification came to',
  response: {
    200: {
      description: 'The result.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: VerifyAnswer } },
    },
    ...problemAnswers(...usualProblems),
  },
}

const postSchema = {
  ...described,
  operationId: 'requestVerification',
  summary: 'Ask for a verification; a relay begins it within 15 seconds',
  body: Type.Optional(
    Type.Union([
      Type.Object(
        {
          full: Type.Optional(
            Type.Boolean({ description: 'Everything. Default: what is open or new.' }),
          ),
        },
        { additionalProperties: false },
      ),
      Type.Null(),
    ]),
  ),
  response: {
    202: {
      description: 'It was asked for; GET /ops/verify has it when `checkedAt` is later.',
      headers: { ...rateLimitHeaders, Location: { type: 'string' } },
      content: {
        'application/json': {
          schema: Type.Object({
            requestedAt: Type.Unsafe<Date>({ type: 'string', format: 'date-time' }),
            full: Type.Boolean(),
          }),
        },
      },
    },
    ...problemAnswers(...usualProblems, 'invalid-json', 'invalid-body', 'unsupported-media-type'),
  },
}
