import { Type } from 'typebox'

import { rateLimitHeaders } from '#http/describe-answers.ts'
import { uuid, time, orNull } from '#http/fields.ts'
import { orderStates } from '#orders/order-state.ts'

const precision = Type.String({
  enum: ['exact', 'estimated', 'at-least'],
  description: 'estimated: as a worker counted within ten minutes.',
})
const states = ['closed', 'open', 'probing', 'ramping']
const circuit = Type.Object({
  state: Type.String({ enum: states }),
  since: time,
  reason: orNull('string'),
  probeAt: orNull('string'),
})
const rate = Type.Unsafe<unknown>({
  type: ['object', 'null'],
  properties: { max: { type: 'integer' }, perSeconds: { type: 'number' } },
})

const backlog = {
  target: Type.String(),
  deliveredPerMinute: Type.Integer(),
  oldestSeconds: orNull('number'),
  openCounts: precision,
  deadLetters: Type.Integer(),
  deadLetterCounts: precision,
  circuit,
  paused: orNull('object'),
  shed: Type.Integer({ description: 'Deliveries that were ever shed.' }),
  shedsSince: Type.Unsafe<unknown>({
    type: ['string', 'null'],
    format: 'date-time',
    description: 'Since when further deliveries are shed; null: they are told.',
  }),
  maxOpen: Type.Unsafe<unknown>({
    type: ['integer', 'null'],
    description: 'From how many open deliveries on they are; null: never.',
  }),
}

const Overview = Type.Object(
  {
    at: { ...time, description: 'By the database, as all times here.' },
    delivers: Type.Boolean({
      description: 'Whether targets are called from this database: not from a copy.',
    }),
    deliversReason: Type.String(),
    intake: Type.Object({
      ordersLastMinute: Type.Integer(),
      precision,
      lastOrderAt: orNull('string'),
    }),
    relay: Type.Object({
      waiting: Type.Integer({ description: 'Messages in the outbox.' }),
      isEstimated: Type.Boolean(),
      refused: Type.Integer({ description: 'Of those, the ones that cannot be relayed.' }),
      oldestSeconds: orNull('number'),
    }),
    targets: Type.Array(Type.Object({ ...backlog, open: Type.Integer() })),
    verification: Type.Unsafe<unknown>({
      type: ['object', 'null'],
      description: 'The last; GET /ops/verify has its findings. Null: there was none yet.',
    }),
    alerts: Type.Array(
      Type.Object({
        kind: Type.String(),
        subject: Type.String(),
        text: Type.String(),
        raisedAt: time,
      }),
      { description: 'Those that are not over, the newest first.' },
    ),
  },
  { $id: 'Overview' },
)

const OrderSummary = Type.Object(
  {
    id: uuid,
    externalId: Type.String(),
    state: Type.String({ enum: [...orderStates] }),
    receivedAt: time,
    currency: orNull('string'),
    total: Type.Unsafe<unknown>({ type: ['integer', 'null'], description: 'In minor units.' }),
    deliveries: Type.Array(Type.Object({ target: Type.String(), state: Type.String() })),
  },
  { $id: 'OrderSummary' },
)

const TargetReport = Type.Object(
  {
    ...backlog,
    kind: Type.String(),
    priority: Type.String({ enum: ['high', 'normal', 'low'] }),
    isCalled: Type.Boolean({ description: 'It is not paused, and its circuit is closed.' }),
    waiting: Type.Integer({ description: 'For another delivery.' }),
    queued: Type.Integer(),
    active: Type.Integer(),
    retrying: Type.Integer(),
    concurrency: Type.Integer(),
    concurrencySet: Type.Boolean({ description: 'By an operator.' }),
    rate,
    rateSet: Type.Boolean({ description: 'By an operator.' }),
    configured: Type.Object({ concurrency: Type.Integer(), rate }),
    slotsInUse: Type.Integer({ description: 'Calls at a time that workers may make by now.' }),
  },
  { $id: 'TargetReport' },
)

const Pause = Type.Object(
  { since: time, by: Type.String(), reason: Type.String(), until: orNull('string') },
  { $id: 'Pause' },
)

const AuditRecord = Type.Object(
  {
    id: uuid,
    at: time,
    who: Type.String({ description: 'The API key’s name, or who ran a command.' }),
    action: Type.String({ examples: ['target.paused'] }),
    subject: Type.String(),
    reason: orNull('string'),
    details: Type.Unknown({ description: 'What was before and after, and whatever helps.' }),
  },
  { $id: 'AuditRecord' },
)

/** Named in the OpenAPI file. */
export const opsSchemas = [Overview, OrderSummary, TargetReport, Pause, AuditRecord]

/** A 200 in the OpenAPI file. */
export function opsAnswer(description: string, schema: object) {
  return { description, headers: rateLimitHeaders, content: { 'application/json': { schema } } }
}

/** One of `opsSchemas`. */
export function opsSchema(name: string) {
  return Type.Unsafe<unknown>({ $ref: `${name}#` })
}
