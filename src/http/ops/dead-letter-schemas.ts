import { Type } from 'typebox'

import { letterStates, type LetterState } from '#dead-letters/list-letters.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid, time, orNull, limit } from '#http/fields.ts'

import { LetterFilterBody } from './replay-answers.ts'

// In a query everything is one text.
const { ids, ...narrowing } = LetterFilterBody.properties

const described = { tags: ['operations'], security: [{ apiKey: [] }] }

export const listLettersSchema = {
  ...described,
  operationId: 'listDeadLetters',
  summary: 'List dead letters, the newest first',
  querystring: Type.Object(
    {
      ...narrowing,
      state: Type.Optional(
        Type.Unsafe<LetterState>({
          type: 'string',
          enum: [...letterStates],
          description: 'closed: replayed or discarded. Default open.',
        }),
      ),
      limit,
      after: Type.Optional(Type.String({ maxLength: 200, description: 'A page’s `next`.' })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: answer(
      'A page.',
      Type.Object({ letters: Type.Array(ref('DeadLetterSummary')), next: orNull('string') }),
    ),
    ...problemAnswers(...usualProblems, 'invalid-query'),
  },
}

export const listGroupsSchema = {
  ...described,
  operationId: 'listDeadLetterGroups',
  summary: 'Count open dead letters of the same target and kind of failure',
  querystring: Type.Object({ target: narrowing.target, limit }, { additionalProperties: false }),
  response: {
    200: answer('The largest groups.', Type.Object({ groups: Type.Array(ref('DeadLetterGroup')) })),
    ...problemAnswers(...usualProblems, 'invalid-query'),
  },
}

const params = Type.Object({ id: uuid })

export const getLetterSchema = {
  ...described,
  operationId: 'getDeadLetter',
  summary: 'Read a dead letter with every attempt',
  params,
  response: {
    200: answer('The dead letter.', ref('DeadLetter')),
    ...problemAnswers(...usualProblems, 'dead-letter-not-found'),
  },
}

const reason = Type.String({ maxLength: 1_000, description: 'Why, for the audit log.' })

const bodyProblems = [
  'invalid-json',
  'request-timeout',
  'body-too-large',
  'unsupported-media-type',
  'invalid-body',
] as const

export const changeHoldSchema = (action: 'hold' | 'release') => ({
  ...described,
  operationId: `${action}DeadLetter`,
  summary:
    action === 'hold' ? 'Keep a dead letter from any retention' : 'End the hold of a dead letter',
  params,
  body: Type.Object({ reason }, { additionalProperties: false }),
  response: {
    200: answer('The dead letter as it is now.', ref('DeadLetter')),
    ...problemAnswers(...usualProblems, ...bodyProblems, 'dead-letter-not-found'),
  },
})

export const changeHoldsSchema = (action: 'hold' | 'release') => ({
  ...described,
  operationId: `${action}DeadLetters`,
  summary:
    action === 'hold'
      ? 'Keep all that are meant from any retention, open and closed ones'
      : 'End the holds of all that are meant',
  body: Type.Object(
    { ...narrowing, ids, reason },
    // Beside the reason something has to narrow: everything has to be meant.
    { additionalProperties: false, minProperties: 2 },
  ),
  response: {
    200: answer('How many it was.', Type.Object({ letters: Type.Integer() })),
    ...problemAnswers(...usualProblems, ...bodyProblems),
  },
})

const summary = {
  id: uuid,
  target: Type.String(),
  groupId: Type.String(),
  orderId: uuid,
  externalId: orNull('string'),
  message: Type.Object({ id: uuid, kind: orNull('string') }),
  reason: Type.String(),
  status: orNull('integer'),
  code: orNull('string'),
  attemptCount: Type.Integer(),
  diedAt: time,
  closed: orNull('object'),
  held: orNull('object'),
}

/** Named in the OpenAPI file. */
export const deadLetterSchemas = [
  Type.Object(summary, { $id: 'DeadLetterSummary' }),
  Type.Object(
    {
      ...summary,
      attempts: Type.Array(
        Type.Object({
          number: Type.Integer(),
          startedAt: time,
          durationMs: orNull('integer'),
          outcome: Type.String(),
          reason: orNull('string'),
          answer: Type.Unknown({
            description: 'What the target answered: status, text (4 KiB), headers and code.',
          }),
          worker: Type.String(),
          charged: Type.Boolean(),
        }),
      ),
      delivery: Type.Object({
        state: orNull('string'),
        isEdited: Type.Boolean(),
        isEditDue: Type.Boolean({
          description: 'The next replay of this letter sends what was edited.',
        }),
      }),
      replays: Type.Array(Type.Object({ id: uuid })),
      others: Type.Array(Type.Object({ id: uuid, diedAt: time, resolution: orNull('string') })),
    },
    { $id: 'DeadLetter' },
  ),
  Type.Object(
    {
      id: Type.String(),
      target: Type.String(),
      status: orNull('integer'),
      code: orNull('string'),
      error: Type.String(),
      letters: Type.Integer(),
      firstAt: time,
      lastAt: time,
    },
    { $id: 'DeadLetterGroup' },
  ),
]

function answer(description: string, schema: object) {
  return { description, headers: rateLimitHeaders, content: { 'application/json': { schema } } }
}

function ref(name: string) {
  return Type.Unsafe<unknown>({ $ref: `${name}#` })
}
