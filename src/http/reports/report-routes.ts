import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import { answerOnce } from '#http/answer-once.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { moment, uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { type ReportFormat, reportFormats } from '#messages/report-request.ts'
import {
  askForReport,
  mostInPdf,
  mostKeptBytes,
  mostWaiting,
  type AskedReport,
} from '#reports/ask-for-report.ts'
import { readReport } from '#reports/read-report.ts'
import { longestPeriodDays } from '#reports/received-within.ts'

import { linksOf, reportAnswer } from './report-answers.ts'

export type ReportRoutes = {
  db: Db
  requires: ReturnType<typeof createAuthenticator>
  /** Called after each commit that wrote a message; must not throw. */
  outboxChanged: () => void
}

/** POST /reports, GET /reports/{id}. */
export function addReportRoutes(
  app: FastifyInstance,
  { db, requires, outboxChanged }: ReportRoutes,
): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'POST',
    url: '/reports',
    onRequest: requires('reports'),
    config: { invalidBody: 'invalid-report' },
    schema: postSchema,
    async handler(request, reply) {
      const { kind, format } = request.body
      const { from, to } = readPeriod(request.body)
      const { id: keyId = '', name = '' } = request.apiKey ?? {}
      const { body, isNew } = await answerOnce(db, { request, reply }, async (tx) => {
        const asked = await askForReport(tx, { format, from, to }, { id: keyId, name })
        const { id, requestedAt } = admitted(asked)
        const state = 'waiting'
        const links = linksOf(id)
        return { status: 202, body: { id, kind, format, from, to, state, requestedAt, links } }
      })
      if (isNew) outboxChanged()
      return body
    },
  })

  routes.route({
    method: 'GET',
    url: '/reports/:id',
    onRequest: requires('reports'),
    config: { notFound: 'report-not-found' },
    schema: getSchema,
    async handler({ params }) {
      const report = await readReport(db, params.id)
      if (!report) throw new HttpProblem('report-not-found')
      return reportAnswer(report)
    },
  })
}

const dayMs = 86_400_000

function readPeriod(body: { from: string; to: string }): { from: Date; to: Date } {
  const from = new Date(body.from)
  const to = new Date(body.to)
  if (from >= to)
    throw invalid('/to', 'must be later than from: orders from `from` on, before `to`')
  if (to.getTime() - from.getTime() > longestPeriodDays * dayMs)
    throw invalid('/to', `must be at most ${longestPeriodDays} days later than from`)
  return { from, to }
}

function admitted(asked: AskedReport): AskedReport & { kind: 'asked' } {
  switch (asked.kind) {
    case 'asked':
      return asked
    case 'not-over':
      throw invalid('/to', 'is in the future: the report would lack what is ordered until then')
    case 'too-long-for-pdf':
      throw invalid(
        '/format',
        `pdf takes ${mostInPdf} orders, and there are more in this period: ask for csv, or for a shorter one`,
      )
    case 'too-many-waiting':
      throw new HttpProblem(
        'too-many-reports',
        {
          detail: `This key waits for ${mostWaiting} reports. Ask again when one of them is ready.`,
        },
        { 'retry-after': '30' },
      )
    case 'too-much-kept':
      throw new HttpProblem(
        'too-many-reports',
        {
          detail: `The files of this key's reports take ${mostKeptBytes / 1_073_741_824} GiB or more. Ask again when some have expired.`,
        },
        { 'retry-after': '3600' },
      )
    default:
      return asked satisfies never
  }
}

function invalid(pointer: string, detail: string): HttpProblem {
  return new HttpProblem('invalid-report', { errors: [{ pointer, detail }] })
}

const described = { tags: ['reports'], security: [{ apiKey: [] }] }

const postSchema = {
  ...described,
  operationId: 'askForReport',
  summary: 'Ask for a report of the orders of a period',
  description: `Answers as soon as the request is on disk; a worker makes the file. Orders that were received at \`from\` or later and before \`to\`, at most ${longestPeriodDays} days; a PDF takes ${mostInPdf} orders. The file is not made before a minute has passed since \`to\`. A key may wait for ${mostWaiting} reports, and keep 1 GiB of files. No personal data. With an \`Idempotency-Key\`, which is kept for 7 days, repeating the request asks for nothing more.`,
  body: Type.Object(
    {
      kind: Type.Literal('orders'),
      format: Type.Unsafe<ReportFormat>({ type: 'string', enum: [...reportFormats] }),
      from: { ...moment, examples: ['2026-10-01T00:00:00Z'] },
      to: { ...moment, examples: ['2026-11-01T00:00:00Z'] },
    },
    { additionalProperties: false },
  ),
  response: {
    202: {
      description: 'It is on disk, and will be made.',
      headers: {
        ...rateLimitHeaders,
        Location: { type: 'string', description: 'Where the report is.' },
        'Idempotent-Replayed': {
          type: 'string',
          description: '`true`: the answer of the first request with this key.',
        },
      },
      content: { 'application/json': { schema: { $ref: 'AskedReport#' } } },
    },
    ...problemAnswers(
      ...usualProblems,
      'invalid-json',
      'idempotency-key-invalid',
      'idempotency-key-reused',
      'request-in-progress',
      'request-timeout',
      'body-too-large',
      'unsupported-media-type',
      'invalid-report',
      'too-many-reports',
    ),
  },
}

const getSchema = {
  ...described,
  operationId: 'getReport',
  summary: 'See whether a report is ready',
  description:
    '`waiting`, `making` (`orders` says how far it is), `retrying`, `ready`, `failed` (a person decides) or `expired`.',
  params: Type.Object({ id: uuid }),
  response: {
    200: {
      description: 'The report.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: { $ref: 'Report#' } } },
    },
    ...problemAnswers(...usualProblems, 'report-not-found'),
  },
}
