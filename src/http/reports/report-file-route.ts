import { Readable } from 'node:stream'

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'

import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import type { ReportFormat } from '#messages/report-request.ts'
import { readFile } from '#reports/read-file.ts'
import { type Report, readReport } from '#reports/read-report.ts'

import { readRange } from './read-range.ts'
import type { ReportRoutes } from './report-routes.ts'

/** GET /reports/{id}/file, and HEAD. */
export function addReportFileRoute(
  app: FastifyInstance,
  { db, requires }: Pick<ReportRoutes, 'db' | 'requires'>,
): void {
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/reports/:id/file',
    onRequest: requires('reports'),
    config: { notFound: 'report-not-found' },
    schema,
    async handler(request, reply) {
      const report = await readReport(db, request.params.id)
      const { digest, attempt, bytes } = fileOf(report)
      const etag = `"${digest}"`
      void reply.headers({ etag, 'accept-ranges': 'bytes', 'cache-control': 'private, no-cache' })
      if (isHad(request, etag)) return reply.code(304).send()
      const range = rangeOf(request, { etag, bytes })
      describe(reply, fileOf(report), range)
      // A stream, whose length is the header's.
      if (request.method === 'HEAD') return reply.send(Readable.from([]))
      endWhenStalled(reply)
      return reply.send(Readable.from(readFile(db, { id: request.params.id, attempt }, range)))
    },
  })
}

type File = Pick<Report, 'id' | 'format' | 'from' | 'to' | 'bytes'> & {
  digest: string
  attempt: string
}

function fileOf(report: Report | undefined): File {
  if (!report) throw new HttpProblem('report-not-found')
  const { state, digest, attempt } = report
  switch (state) {
    case 'ready':
      return { ...report, digest: digest ?? '', attempt: attempt ?? '' }
    case 'expired':
      throw new HttpProblem('report-expired', {
        detail: `It could be downloaded until ${report.expiresAt?.toISOString()}. Ask for another one.`,
      })
    case 'waiting':
    case 'making':
      throw notReady('It is being made.', 2)
    case 'retrying':
      throw notReady(
        'It could not be made yet, and is tried again: `reason` of the report says why.',
        10,
      )
    case 'failed':
      throw notReady('Making it failed, and waits for a person to look.', 300)
    default:
      return state satisfies never
  }
}

function notReady(detail: string, seconds: number): HttpProblem {
  return new HttpProblem('report-not-ready', { detail }, { 'retry-after': String(seconds) })
}

/** `"a", W/"b"` or `*`: RFC 9110, 13.1.2. */
function isHad({ headers }: FastifyRequest, etag: string): boolean {
  const had = headers['if-none-match'] ?? ''
  return had.trim() === '*' || had.includes(etag)
}

type Range = { first: number; last: number; isPart: boolean }

function rangeOf(
  { headers }: FastifyRequest,
  { etag, bytes }: { etag: string; bytes: number },
): Range {
  const whole = { first: 0, last: bytes - 1, isPart: false }
  // Of another file, a part of this one is of no use.
  const ifRange = headers['if-range']
  if (headers.range === undefined || (ifRange !== undefined && ifRange !== etag)) return whole
  const range = readRange(headers.range, bytes)
  if (range === 'unreadable') return whole
  if (range === 'beyond')
    throw new HttpProblem(
      'range-not-satisfiable',
      { detail: `The file has ${bytes} bytes.` },
      { 'content-range': `bytes */${bytes}` },
    )
  return { ...range, isPart: true }
}

function describe(reply: FastifyReply, file: File, { first, last, isPart }: Range): void {
  const { format, from, to, bytes } = file
  void reply
    .type(mediaTypes[format])
    .header(
      'content-disposition',
      `attachment; filename="orders-${day(from)}-to-${day(to)}.${format}"`,
    )
    .header('content-length', String(last + 1 - first))
  if (isPart) void reply.code(206).header('content-range', `bytes ${first}-${last}/${bytes}`)
}

const mediaTypes: Record<ReportFormat, string> = {
  csv: 'text/csv; charset=utf-8; header=present',
  pdf: 'application/pdf',
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}

// Whoever takes nothing for so long has gone without a word, or holds the connection to no use; a part can be asked for later.
const stalledMs = 60_000

function endWhenStalled({ raw }: FastifyReply): void {
  raw.setTimeout(stalledMs, () => raw.destroy())
}

const entityTag = { type: 'string', description: 'For If-None-Match and If-Range; of its bytes.' }

const fileHeaders = {
  ...rateLimitHeaders,
  ETag: entityTag,
  'Accept-Ranges': { type: 'string', description: '`bytes`.' },
  'Content-Disposition': { type: 'string', description: 'With the name of the file.' },
}

const fileContent = {
  'text/csv': { schema: { type: 'string', contentMediaType: 'text/csv' } },
  'application/pdf': {
    schema: { type: 'string', contentMediaType: 'application/pdf', format: 'binary' },
  },
}

const schema = {
  tags: ['reports'],
  security: [{ apiKey: [] }],
  operationId: 'getReportFile',
  summary: 'Download a report',
  description:
    'Until it is there, 404 `report-not-ready` with `Retry-After`. A download that broke off goes on with `Range`.',
  params: Type.Object({ id: uuid }),
  response: {
    200: { description: 'The file.', headers: fileHeaders, content: fileContent },
    206: {
      description: 'The part that Range asks for.',
      headers: {
        ...fileHeaders,
        'Content-Range': { type: 'string', description: 'Which part of how much.' },
      },
      content: fileContent,
    },
    304: {
      description: 'The one with an ETag of If-None-Match is still the one.',
      headers: { ...rateLimitHeaders, ETag: entityTag },
    },
    ...problemAnswers(
      ...usualProblems,
      'report-not-found',
      'report-not-ready',
      'report-expired',
      'range-not-satisfiable',
    ),
  },
}
