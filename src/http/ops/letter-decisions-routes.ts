import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { Db, Tx } from '#database/open-database.ts'
import { type LetterRequest, readRequest } from '#dead-letters/read-request.ts'
import { announceReplay, replayRates } from '#dead-letters/request-replay.ts'
import type { ReplayAction } from '#dead-letters/take-replay.ts'
import { type EditRequest, writeEdited } from '#dead-letters/write-edited.ts'
import { answerOnce } from '#http/answer-once.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'
import { uuid } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { tidyReason, requireReason } from '#http/tidy-reason.ts'
import type { Target } from '#targets/target.ts'

import { askForReplay } from './ask-for-replay.ts'
import type { OpsRoutes } from './replays-routes.ts'

/**
 * GET /ops/dead-letters/{id}/request, POST …/replay and …/discard: each POST a list of one, which a worker works off in a moment. So this
 * process needs no queues, and one letter goes the same way, by the same rules, as a thousand.
 */
export function addOpsLetterDecisionsRoutes(
  app: FastifyInstance,
  { db, requires, targets }: OpsRoutes & { targets: readonly Target[] },
): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'GET',
    url: '/ops/dead-letters/:id/request',
    // It holds what the order says of people, and is there to be changed.
    onRequest: requires('ops:write'),
    config,
    schema: requestSchema,
    async handler({ params }) {
      const { editing: _, kind: __, ...request } = await findRequest(db, targets, params.id)
      return { letterId: params.id, ...request }
    },
  })

  routes.route({
    method: 'POST',
    url: '/ops/dead-letters/:id/replay',
    onRequest: requires('ops:write'),
    config,
    schema: replaySchema,
    async handler(request, reply) {
      const { id } = request.params
      const { reason, edited } = request.body ?? {}
      const by = { who: request.apiKey?.name ?? '', reason: tidyReason(reason) }
      return ask({ request, reply }, { id, action: 'replay', ...by }, async (tx) => {
        if (edited === undefined) return undefined
        const edit = await readEdited(tx, targets, { id, edited })
        return { ...edit, ...by }
      })
    },
  })

  routes.route({
    method: 'POST',
    url: '/ops/dead-letters/:id/discard',
    onRequest: requires('ops:write'),
    config,
    schema: discardSchema,
    async handler(request, reply) {
      const { id } = request.params
      const reason = requireReason(request.body?.reason)
      const who = request.apiKey?.name ?? ''
      return ask({ request, reply }, { id, action: 'discard', who, reason })
    },
  })

  async function ask(
    exchange: Parameters<typeof answerOnce>[1],
    { id, ...asked }: Asked,
    // Before others who ask have to wait for us: it makes the request by the configuration's code.
    readEdit: (tx: Tx) => Promise<EditRequest | undefined> = async () => undefined,
  ) {
    // All of it: the same request again gets its answer, whatever became of the letter since.
    const { body, isNew } = await answerOnce(db, exchange, async (tx) => {
      await refuseUnknown(tx, id)
      const edit = await readEdit(tx)
      const ratePerSecond = replayRates.usual
      const answer = await askForReplay(tx, { filter: { ids: [id] }, ...asked, ratePerSecond })
      if (!edit || (await writeEdited(tx, edit))) return answer
      throw new HttpProblem('nothing-to-replay', { detail: 'Somebody decided on it meanwhile.' })
    })
    if (isNew) await announceReplay(db, body.id)
    return body
  }
}

const config = { invalidBody: 'invalid-body', notFound: 'dead-letter-not-found' } as const

type Asked = { id: string; action: ReplayAction; who: string; reason: string | null }

async function findRequest(db: Db, targets: readonly Target[], id: string): Promise<LetterRequest> {
  const found = await readRequest(db, targets, id)
  switch (found.kind) {
    case 'request':
      return found
    case 'unknown':
      throw new HttpProblem('dead-letter-not-found')
    case 'not-editable':
      throw new HttpProblem('request-not-editable', { detail: found.why })
    default:
      return found satisfies never
  }
}

async function readEdited(
  db: Db,
  targets: readonly Target[],
  { id, edited: text }: { id: string; edited: string },
) {
  const request = await findRequest(db, targets, id)
  const read = request.editing.read(text, request.format)
  if ('mistake' in read)
    throw new HttpProblem('invalid-body', {
      errors: [{ pointer: '/edited', detail: read.mistake }],
    })
  return { letterId: id, request, text, edited: read.edited }
}

async function refuseUnknown(db: Db, id: string): Promise<void> {
  const found = await db
    .selectFrom('orderwheel.dead_letters')
    .select('id')
    .where('id', '=', id)
    .executeTakeFirst()
  if (!found) throw new HttpProblem('dead-letter-not-found')
}

const described = { tags: ['operations'], security: [{ apiKey: [] }] }
const params = Type.Object({ id: uuid })
const reason = Type.String({ maxLength: 1_000 })

const requestSchema = {
  ...described,
  operationId: 'getLetterRequest',
  summary: 'What a dead letter’s target would be sent',
  description: 'As the current configuration makes it of the order, or as it was edited before.',
  params,
  response: {
    200: {
      description: 'The request.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: { $ref: 'LetterRequest#' } } },
    },
    ...problemAnswers(...usualProblems, 'dead-letter-not-found', 'request-not-editable'),
  },
}

const answers = {
  202: {
    description: 'A replay of this letter alone; a worker is told.',
    headers: rateLimitHeaders,
    content: { 'application/json': { schema: { $ref: 'Replay#' } } },
  },
  ...problemAnswers(
    ...usualProblems,
    'invalid-json',
    'invalid-body',
    'body-too-large',
    'unsupported-media-type',
    'request-timeout',
    'dead-letter-not-found',
    'nothing-to-replay',
    'request-not-editable',
    'idempotency-key-invalid',
    'idempotency-key-reused',
    'request-in-progress',
  ),
}

const replaySchema = {
  ...described,
  operationId: 'replayDeadLetter',
  summary: 'Give a dead letter a job again',
  params,
  body: Type.Unsafe<{ reason?: string; edited?: string } | null>({
    type: ['object', 'null'],
    properties: {
      reason,
      edited: {
        type: 'string',
        description:
          'Sent instead of what the configuration makes of the order: `text` of its request, corrected.',
      },
    },
    additionalProperties: false,
  }),
  response: answers,
}

const discardSchema = {
  ...described,
  operationId: 'discardDeadLetter',
  summary: 'Give a dead letter up for good; needs a reason',
  params,
  body: Type.Unsafe<{ reason?: string } | null>({
    type: ['object', 'null'],
    properties: { reason },
    additionalProperties: false,
  }),
  response: answers,
}
