import { Readable } from 'node:stream'

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import type { Db } from '#database/open-database.ts'
import { HttpProblem } from '#http/http-problem.ts'
import type { HttpLimits } from '#http/limits.ts'
import type { ReportFormat } from '#messages/report-request.ts'
import { readFile } from '#reports/read-file.ts'
import { type Report, readReport } from '#reports/read-report.ts'

import { createDownloads } from './downloads.ts'
import { endWhenStalled, whenEnded } from './end-download.ts'
import { readRange } from './read-range.ts'
import type { ReportRoutes } from './report-routes.ts'
import { fileSchema } from './report-schemas.ts'

type FileRoutes = Pick<ReportRoutes, 'db' | 'requires'> & {
  limits: Pick<HttpLimits, 'maxDownloads' | 'downloadPatienceSeconds'>
}

/** GET /reports/{id}/file, and HEAD. */
export function addReportFileRoute(
  app: FastifyInstance,
  { db, requires, limits }: FileRoutes,
): void {
  const downloads = createDownloads(limits)
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/reports/:id/file',
    onRequest: requires('reports'),
    config: { notFound: 'report-not-found' },
    schema: fileSchema,
    async handler(request, reply) {
      const { id } = request.params
      const file = fileOf(await readReport(db, id))
      const { attempt, bytes } = file
      const { etag } = cachingOf(file)
      if (isHad(request, etag)) return reply.headers(cachingOf(file)).code(304).send()
      const range = rangeOf(request, { etag, bytes })
      // A stream, whose length is the header's.
      if (request.method === 'HEAD') return describe(reply, file, range).send(Readable.from([]))
      const place = downloads.takePlace(request.apiKey?.id ?? '')
      const exchange = { request: request.raw, response: reply.raw }
      whenEnded(exchange, place.leave)
      const pieces = await readFile(db, { id, attempt, ...range }, place.read)
      if (!pieces) return refuseGone(db, id)
      endWhenStalled(exchange, limits.downloadPatienceSeconds)
      return describe(reply, file, range).send(Readable.from(pieces))
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
    case 'deleted':
      throw new HttpProblem('report-deleted', {
        detail: `It was deleted at ${report.deletedAt?.toISOString()}. Ask for another one.`,
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

/** Its pieces went since it was looked up: what it is by now says why. */
async function refuseGone(db: Db, id: string): Promise<never> {
  fileOf(await readReport(db, id))
  throw new Error(`report ${id} lacks a piece of its file`)
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

function describe(reply: FastifyReply, file: File, { first, last, isPart }: Range): FastifyReply {
  const { format, from, to, bytes } = file
  void reply
    .headers(cachingOf(file))
    .type(mediaTypes[format])
    .header(
      'content-disposition',
      `attachment; filename="orders-${day(from)}-to-${day(to)}.${format}"`,
    )
    .header('content-length', String(last + 1 - first))
  if (isPart) void reply.code(206).header('content-range', `bytes ${first}-${last}/${bytes}`)
  return reply
}

function cachingOf({ digest }: File) {
  return {
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
  }
}

const mediaTypes: Record<ReportFormat, string> = {
  csv: 'text/csv; charset=utf-8; header=present',
  pdf: 'application/pdf',
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}
