import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'

import type { Db } from '#database/open-database.ts'
import { answerOnce } from '#http/answer-once.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { limitOf } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import type { IntakeGate } from '#http/orders/intake-gate.ts'
import {
  askForReport,
  mostInPdf,
  mostKeptBytes,
  mostWaiting,
  type AskedReport,
} from '#reports/ask-for-report.ts'
import { deleteReport } from '#reports/delete-report.ts'
import { readReport, readReports } from '#reports/read-report.ts'
import { longestPeriodDays } from '#reports/received-within.ts'

import { createAskers } from './askers.ts'
import { linksOf, reportAnswer } from './report-answers.ts'
import { deleteSchema, getSchema, listSchema, postSchema } from './report-schemas.ts'

export type ReportRoutes = {
  db: Db
  requires: ReturnType<typeof createAuthenticator>
  gate: IntakeGate
  /** Called after each commit that wrote a message; must not throw. */
  outboxChanged: () => void
}

/** POST /reports, GET /reports, GET /reports/{id}, DELETE /reports/{id}. */
export function addReportRoutes(
  app: FastifyInstance,
  { db, requires, gate, outboxChanged }: ReportRoutes,
): void {
  const ask = createAskers()
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
      const { body, isNew } = await ask(keyId, () =>
        answerOnce(db, { request, reply }, async (tx) => {
          if (gate.isClosed()) throw gate.refuse()
          const asked = await askForReport(tx, { format, from, to }, { id: keyId, name })
          const { id, requestedAt } = admitted(asked)
          const state = 'waiting'
          const links = linksOf(id)
          return { status: 202, body: { id, kind, format, from, to, state, requestedAt, links } }
        }),
      )
      if (isNew) outboxChanged()
      return body
    },
  })

  routes.route({
    method: 'GET',
    url: '/reports',
    onRequest: requires('reports'),
    schema: listSchema,
    async handler({ query: { limit: written, cursor } }) {
      const limit = limitOf(written)
      const reports = await readReports(db, { limit, before: cursor })
      const nextCursor = reports.length === limit ? (reports.at(-1)?.id ?? null) : null
      return { reports: reports.map(reportAnswer), nextCursor }
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

  routes.route({
    method: 'DELETE',
    url: '/reports/:id',
    onRequest: requires('reports'),
    config: { notFound: 'report-not-found', invalidBody: 'invalid-body', bodyOptional: true },
    schema: deleteSchema,
    async handler({ params, apiKey }, reply) {
      const who = apiKey?.name ?? ''
      const deleted = await deleteReport(db, { id: params.id, who, reason: null })
      if (deleted === undefined) throw new HttpProblem('report-not-found')
      return reply.code(204).send()
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
          detail: `The files of this key's reports take ${mostKeptBytes / 1_073_741_824} GiB or more. Delete some, or ask again when some have expired.`,
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
