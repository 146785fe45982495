import { Type } from 'typebox'

import { nullableText, nullableTime, orNull, time, uuid } from '#http/fields.ts'
import { type Report, reportStates } from '#reports/read-report.ts'

import { reportFormats } from '#messages/report-request.ts'

const kind = Type.String({ enum: ['orders'] })
const format = Type.String({ enum: [...reportFormats] })
const links = Type.Object({ self: Type.String(), file: Type.String() })

/** The 202 of POST /reports. */
const AskedReport = Type.Object(
  {
    id: uuid,
    kind,
    format,
    from: time,
    to: time,
    state: Type.String({ enum: ['waiting'] }),
    requestedAt: time,
    links,
  },
  { $id: 'AskedReport' },
)

const count = { type: 'integer', minimum: 0 } as const
const amount = Type.String({ examples: ['4211.50'] })

const Sum = Type.Object({
  currency: Type.String(),
  orders: Type.Unsafe<number>({ ...count, description: 'That stand.' }),
  cancelled: Type.Unsafe<number>(count),
  unpaid: Type.Unsafe<number>({ ...count, description: 'Awaiting payment, or declined.' }),
  tax: amount,
  total: amount,
})

/** The 200 of GET /reports/{id}. */
const ReportAnswer = Type.Object(
  {
    id: uuid,
    kind,
    format,
    from: time,
    to: time,
    state: Type.String({ enum: [...reportStates] }),
    requestedAt: time,
    requestedBy: Type.String({ description: 'The name of the API key.' }),
    orders: Type.Unsafe<number>({ ...count, description: 'So far, while it is being made.' }),
    bytes: Type.Unsafe<number>(count),
    sums: Type.Union([Type.Array(Sum), Type.Null()]),
    madeAt: nullableTime,
    expiresAt: orNull({
      type: 'string',
      format: 'date-time',
      description: 'Until when the file can be downloaded. Null until it is made.',
    }),
    deletedAt: nullableTime,
    reason: nullableText,
    links,
  },
  { $id: 'Report' },
)

/** The 200 of GET /reports. */
const ReportPage = Type.Object(
  { reports: Type.Array(Type.Unsafe({ $ref: 'Report#' })), nextCursor: nullableText },
  { $id: 'ReportPage' },
)

/** Named in the OpenAPI file. */
export const reportSchemas = [AskedReport, ReportAnswer, ReportPage]

export function reportAnswer(report: Report) {
  const { digest: _, attempt: __, ...rest } = report
  return { ...rest, links: linksOf(report.id) }
}

export function linksOf(id: string): { self: string; file: string } {
  return { self: `/reports/${id}`, file: `/reports/${id}/file` }
}
