import { Type } from 'typebox'

import type { Preview } from '#dead-letters/preview-replay.ts'
import type { ReplayReport } from '#dead-letters/read-replays.ts'
import { uuid, time, nullableText, nullableTime, orNull, words, moment } from '#http/fields.ts'

/** Which dead letters are meant: see LetterFilter. */
export const LetterFilterBody = Type.Object(
  {
    ids: Type.Optional(Type.Array(uuid, { minItems: 1, maxItems: 1_000 })),
    target: Type.Optional(words(40)),
    groupId: Type.Optional(words(12)),
    error: Type.Optional({ ...words(200), description: 'Part of the reason, in any case.' }),
    since: Type.Optional({ ...moment, description: 'Died then or later.' }),
    until: Type.Optional({ ...moment, description: 'Died before that.' }),
    orderId: Type.Optional(uuid),
  },
  { additionalProperties: false, minProperties: 1 },
)

/** And those that were shed, which have no letters yet. */
export const ReplayFilterBody = Type.Object(
  {
    ...LetterFilterBody.properties,
    shed: Type.Optional(
      Type.Literal(true, {
        description:
          'What droppable targets were not told because too much was open for them; with target, since, until and orderId only. Without since: of the last 30 days.',
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
)

const Replay = Type.Object(
  {
    id: uuid,
    action: Type.String({ enum: ['replay', 'discard'] }),
    state: Type.String({ enum: ['running', 'paused', 'cancelled', 'finished'] }),
    filter: Type.Unsafe<object>({ type: 'object' }),
    requestedBy: Type.String(),
    reason: nullableText,
    createdAt: time,
    ratePerSecond: Type.Number(),
    total: Type.Integer(),
    done: Type.Integer(),
    refused: Type.Integer(),
    left: Type.Integer(),
    changedBy: nullableText,
    changedAt: time,
    finishedAt: nullableTime,
    links: Type.Object({ self: Type.String() }),
  },
  { $id: 'Replay' },
)

const ReplayItem = Type.Object(
  {
    position: Type.Integer(),
    letterId: uuid,
    state: Type.String({ enum: ['waiting', 'done', 'refused', 'cancelled'] }),
    result: nullableText,
    workedOffAt: nullableTime,
    target: nullableText,
    orderId: nullableText,
    externalId: nullableText,
    messageId: nullableText,
    deliveryState: orNull({ type: 'string', description: 'As it is now.' }),
  },
  { $id: 'ReplayItem' },
)

const ReplayPreview = Type.Object(
  {
    total: Type.Integer(),
    listed: Type.Integer({ description: 'More that a running replay is going to get to.' }),
    closed: Type.Integer({ description: 'Of those named by id.' }),
    held: Type.Integer({ description: 'Kept from any retention.' }),
    groups: Type.Array(
      Type.Object({
        target: Type.String(),
        groupId: Type.String(),
        status: orNull({ type: 'integer' }),
        error: Type.String(),
        deadLetters: Type.Integer(),
        firstAt: time,
        lastAt: time,
      }),
    ),
    targets: Type.Array(
      Type.Object({
        target: Type.String(),
        deadLetters: Type.Integer(),
        address: nullableText,
        hasQueue: Type.Boolean(),
        isConfigured: Type.Boolean(),
        paused: Type.Unsafe<Preview['targets'][number]['paused']>({ type: ['object', 'null'] }),
        circuit: Type.String(),
        circuitReason: nullableText,
      }),
    ),
  },
  { $id: 'ReplayPreview' },
)

const LetterRequest = Type.Object(
  {
    letterId: uuid,
    target: Type.String(),
    orderId: uuid,
    messageId: uuid,
    text: Type.String(),
    format: Type.String({ enum: ['json', 'text'] }),
    isEdited: Type.Boolean({ description: 'It was edited before.' }),
  },
  { $id: 'LetterRequest' },
)

/** Named in the OpenAPI file. */
export const replaySchemas = [Replay, ReplayItem, ReplayPreview, LetterRequest]

export function replayAnswer(report: ReplayReport) {
  return { ...report, links: { self: `/ops/replays/${report.id}` } }
}
