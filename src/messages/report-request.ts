import { Type, type Static } from 'typebox'

import { createOwnKind, type OwnKind } from './own-kinds.ts'

/** The kind of message that asks for a report. It is about no order, told to the built-in target, and never routed. */
export const reportRequested = 'report.requested'

export const reportFormats = ['csv', 'pdf'] as const

export type ReportFormat = (typeof reportFormats)[number]

const moment = Type.String({ minLength: 1, maxLength: 64 })

/** Its payload, for people to read: what is made is what `orderwheel.reports` says. */
const ReportRequest = Type.Object(
  {
    kind: Type.Literal('orders'),
    format: Type.Unsafe<ReportFormat>({ enum: [...reportFormats] }),
    from: moment,
    to: moment,
  },
  { additionalProperties: false },
)

export type ReportRequest = Static<typeof ReportRequest>

/** As the relay checks it: like a kind that the configuration declares. */
export function reportRequestKind(): OwnKind {
  return createOwnKind(ReportRequest)
}
