import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db } from '#database/open-database.ts'
import { changeReplay, type ReplayChange } from '#dead-letters/change-replay.ts'
import type { LetterFilter } from '#dead-letters/letter-filter.ts'
import { previewReplay } from '#dead-letters/preview-replay.ts'
import { listReplays, readItems, readReplay } from '#dead-letters/read-replays.ts'
import { announceReplay, replayRates } from '#dead-letters/request-replay.ts'
import type { ReplayAction } from '#dead-letters/take-replay.ts'
import { answerOnce } from '#http/answer-once.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { limit, patterns, uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { tidyReason, requireReason } from '#http/tidy-reason.ts'

import { askForReplay, readFilter } from './ask-for-replay.ts'
import { refuseUnknownTarget } from './refuse-unknown-target.ts'
import { replayAnswer, ReplayFilterBody } from './replay-answers.ts'

export type OpsRoutes = { db: Db; requires: ReturnType<typeof createAuthenticator> }

const config = { invalidBody: 'invalid-body', notFound: 'replay-not-found' } as const

/** POST and GET /ops/replays, GET /ops/replays/{id}, and the POSTs that change one. */
export function addOpsReplaysRoutes(app: FastifyInstance, { db, requires }: OpsRoutes): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'POST',
    url: '/ops/replays',
    onRequest: requires('ops:write'),
    config,
    schema: postSchema,
    async handler(request, reply) {
      const { action = 'replay', dryRun, all, ratePerSecond = replayRates.usual } = request.body
      const filter = readFilter(request.body.filter ?? {})
      if ((request.body.filter === undefined) === (all === undefined))
        throw new HttpProblem('invalid-body', {
          errors: [{ pointer: '/filter', detail: 'is required, or else "all": true' }],
        })
      refuseOfLetters(filter, action)
      if (dryRun) {
        await refuseUnknownTarget(db, filter.target, { pointer: '/filter/target' })
        return previewReplay(db, filter)
      }
      const who = request.apiKey?.name ?? ''
      const given = request.body.reason
      const reason = action === 'discard' ? requireReason(given) : tidyReason(given)
      const { body, isNew } = await answerOnce(db, { request, reply }, async (tx) => {
        await refuseUnknownTarget(tx, filter.target, { pointer: '/filter/target' })
        return askForReplay(tx, { filter, action, who, reason, ratePerSecond })
      })
      if (isNew) await announceReplay(db, body.id)
      return body
    },
  })

  routes.route({
    method: 'GET',
    url: '/ops/replays',
    onRequest: requires('ops:read'),
    config,
    schema: listSchema,
    async handler(request) {
      const limit = Number(request.query.limit ?? 50)
      const replays = await listReplays(db, { limit, before: request.query.cursor })
      const nextCursor = replays.length === limit ? (replays.at(-1)?.id ?? null) : null
      return { replays: replays.map(replayAnswer), nextCursor }
    },
  })

  routes.route({
    method: 'GET',
    url: '/ops/replays/:id',
    onRequest: requires('ops:read'),
    config,
    schema: getSchema,
    async handler(request) {
      const { id } = request.params
      const { limit: written = '50', cursor, state } = request.query
      const limit = Number(written)
      const replay = await findReplay(db, id)
      const after = cursor === undefined ? undefined : Number(cursor)
      const items = await readItems(db, id, { limit, after, state })
      const last = items.length === limit ? items.at(-1) : undefined
      return { ...replay, items, nextCursor: last ? String(last.position) : null }
    },
  })

  for (const kind of ['pause', 'resume', 'cancel'] as const)
    routes.route({
      method: 'POST',
      url: `/ops/replays/:id/${kind}`,
      onRequest: requires('ops:write'),
      config,
      schema: changeSchema(kind),
      handler: ({ params, apiKey, body }) =>
        change(db, { ...params, change: { kind }, who: apiKey?.name ?? '', reason: body?.reason }),
    })

  routes.route({
    method: 'POST',
    url: '/ops/replays/:id/rate',
    onRequest: requires('ops:write'),
    config,
    schema: rateSchema,
    handler({ params, apiKey, body: { ratePerSecond, reason } }) {
      const change_ = { kind: 'rate', ratePerSecond } as const
      return change(db, { ...params, change: change_, who: apiKey?.name ?? '', reason })
    },
  })
}

function refuseOfLetters(filter: LetterFilter, action: ReplayAction): void {
  if (!filter.shed) return
  const [wrong] = Object.keys(filter).filter((name) => ['ids', 'groupId', 'error'].includes(name))
  const errors = [
    ...(wrong === undefined
      ? []
      : [{ pointer: `/filter/${wrong}`, detail: 'is not taken beside shed' }]),
    ...(action === 'replay'
      ? []
      : [{ pointer: '/filter/shed', detail: 'is for replays: it was discarded already' }]),
  ]
  if (errors.length > 0) throw new HttpProblem('invalid-body', { errors })
}

type Asked = { id: string; change: ReplayChange; who: string; reason: string | undefined }

async function change(db: Db, { reason, ...asked }: Asked) {
  const request = { ...asked, reason: tidyReason(reason) }
  const changed = await changeReplay(db, request)
  switch (changed.kind) {
    case 'unknown':
      throw new HttpProblem('replay-not-found')
    case 'refused': {
      const by = changed.by === null ? '' : `, by ${changed.by} at ${changed.at.toISOString()}`
      throw new HttpProblem('replay-not-open', { detail: `It is ${changed.state}${by}.` })
    }
    case 'changed':
      return findReplay(db, asked.id)
    default:
      return changed satisfies never
  }
}

async function findReplay(db: Db, id: string) {
  const report = await readReplay(db, id)
  if (!report) throw new HttpProblem('replay-not-found')
  return replayAnswer(report)
}

const described = { tags: ['operations'], security: [{ apiKey: [] }] }
const params = Type.Object({ id: uuid })
const ratePerSecond = Type.Number({ minimum: replayRates.least, maximum: replayRates.most })
const reason = Type.String({ maxLength: 1_000 })

function found(schema: object, description: string) {
  return { description, headers: rateLimitHeaders, content: { 'application/json': { schema } } }
}

const bodyProblems = [
  'invalid-json',
  'invalid-body',
  'body-too-large',
  'unsupported-media-type',
  'request-timeout',
] as const

const postSchema = {
  ...described,
  operationId: 'requestReplay',
  summary: 'Replay or discard dead letters',
  description:
    'Writes a list of the open dead letters that are meant now, and answers; workers work it off at the rate. With `dryRun` it only counts. An Idempotency-Key is optional and kept for 7 days.',
  body: Type.Object(
    {
      action: Type.Optional(Type.Unsafe<'replay' | 'discard'>({ enum: ['replay', 'discard'] })),
      filter: Type.Optional(ReplayFilterBody),
      all: Type.Optional(Type.Literal(true)),
      ratePerSecond: Type.Optional(ratePerSecond),
      reason: Type.Optional(reason),
      dryRun: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false },
  ),
  response: {
    200: found({ $ref: 'ReplayPreview#' }, 'What it would do (`dryRun`).'),
    202: found({ $ref: 'Replay#' }, 'The list is written.'),
    ...problemAnswers(
      ...usualProblems,
      ...bodyProblems,
      'nothing-to-replay',
      'too-many-dead-letters',
      'idempotency-key-invalid',
      'idempotency-key-reused',
      'request-in-progress',
    ),
  },
}

const listSchema = {
  ...described,
  operationId: 'listReplays',
  summary: 'Replays, newest first',
  querystring: Type.Object({ limit, cursor: Type.Optional(uuid) }, { additionalProperties: false }),
  response: {
    200: found(
      {
        type: 'object',
        properties: {
          replays: { type: 'array', items: { $ref: 'Replay#' } },
          nextCursor: { type: ['string', 'null'] },
        },
        required: ['replays', 'nextCursor'],
      },
      'A page of them.',
    ),
    ...problemAnswers(...usualProblems, 'invalid-query'),
  },
}

const itemStates = ['waiting', 'done', 'refused', 'cancelled'] as const

const getSchema = {
  ...described,
  operationId: 'getReplay',
  summary: 'One replay and its list, with each delivery’s state now',
  params,
  querystring: Type.Object(
    {
      limit,
      cursor: Type.Optional(Type.String({ pattern: patterns.position })),
      state: Type.Optional(Type.Unsafe<(typeof itemStates)[number]>({ enum: [...itemStates] })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: found(
      {
        allOf: [
          { $ref: 'Replay#' },
          {
            type: 'object',
            properties: {
              items: { type: 'array', items: { $ref: 'ReplayItem#' } },
              nextCursor: { type: ['string', 'null'] },
            },
            required: ['items', 'nextCursor'],
          },
        ],
      },
      'The replay.',
    ),
    ...problemAnswers(...usualProblems, 'replay-not-found', 'invalid-query'),
  },
}

const changeAnswers = {
  200: found({ $ref: 'Replay#' }, 'As it is now.'),
  ...problemAnswers(...usualProblems, ...bodyProblems, 'replay-not-found', 'replay-not-open'),
}

function changeSchema(kind: 'pause' | 'resume' | 'cancel') {
  const summaries = {
    pause: 'Stop working a replay off, for a while',
    resume: 'Go on with a paused replay',
    cancel: 'End a replay; what is left stays a dead letter',
  }
  return {
    ...described,
    operationId: `${kind}Replay`,
    summary: summaries[kind],
    params,
    body: Type.Unsafe<{ reason?: string } | null>({
      type: ['object', 'null'],
      properties: { reason },
      additionalProperties: false,
    }),
    response: changeAnswers,
  }
}

const rateSchema = {
  ...described,
  operationId: 'setReplayRate',
  summary: 'Work a replay off faster or more slowly',
  params,
  body: Type.Object(
    { ratePerSecond, reason: Type.Optional(reason) },
    { additionalProperties: false },
  ),
  response: changeAnswers,
}
