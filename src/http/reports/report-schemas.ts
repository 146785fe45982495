import { Type } from 'typebox'

import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { limit, moment, uuid } from '#http/fields.ts'
import { type ReportFormat, reportFormats } from '#messages/report-request.ts'
import { mostInPdf, mostWaiting } from '#reports/ask-for-report.ts'
import { longestPeriodDays } from '#reports/received-within.ts'

const described = { tags: ['reports'], security: [{ apiKey: [] }] }

export const postSchema = {
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
      'intake-overloaded',
    ),
  },
}

export const listSchema = {
  ...described,
  operationId: 'listReports',
  summary: 'Reports, newest first',
  description:
    'Of all keys, also those that expired or were deleted less than 90 days ago. `nextCursor` is the `cursor` of the page that follows; null: this is the last.',
  querystring: Type.Object({ limit, cursor: Type.Optional(uuid) }, { additionalProperties: false }),
  response: {
    200: {
      description: 'A page of them.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: { $ref: 'ReportPage#' } } },
    },
    ...problemAnswers(...usualProblems, 'invalid-query'),
  },
}

export const getSchema = {
  ...described,
  operationId: 'getReport',
  summary: 'See whether a report is ready',
  description:
    '`waiting`, `making` (`orders` says how far it is), `retrying`, `ready`, `failed` (a person decides), `expired` or `deleted`.',
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

export const deleteSchema = {
  ...described,
  operationId: 'deleteReport',
  summary: 'Delete a report',
  description:
    'Its file is gone at once, and counts no more for what a key may keep; one that is not ready is made no more. A download of it breaks off. The report stays known as `deleted`; deleting it again changes nothing.',
  params: Type.Object({ id: uuid }),
  response: {
    204: { description: 'It is deleted.', headers: rateLimitHeaders, type: 'null' },
    ...problemAnswers(
      ...usualProblems,
      'invalid-json',
      'report-not-found',
      'request-timeout',
      'body-too-large',
      'unsupported-media-type',
      'invalid-body',
    ),
  },
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

export const fileSchema = {
  ...described,
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
      'report-deleted',
      'report-expired',
      'too-many-downloads',
      'range-not-satisfiable',
    ),
  },
}
