import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import { problemAnswers, usualProblems } from '#http/describe-answers.ts'
import { moment } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { tidyReason, requireReason } from '#http/tidy-reason.ts'
import { type PauseRequest, pauseTarget } from '#limits/pause-target.ts'
import { resumeTarget } from '#limits/resume-target.ts'
import { readTargets } from '#status/read-targets.ts'

import { opsAnswer, opsSchema } from './overview-answers.ts'
import type { OpsRoutes } from './replays-routes.ts'

/** GET /ops/targets, POST /ops/targets/{name}/pause and /resume: what the commands targets, pause and resume do. */
export function addOpsTargetsRoutes(app: FastifyInstance, { db, requires }: OpsRoutes): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'GET',
    url: '/ops/targets',
    onRequest: requires('ops:read'),
    schema: listSchema,
    handler: () => readTargets(db),
  })

  routes.route({
    method: 'POST',
    url: '/ops/targets/:name/pause',
    onRequest: requires('ops:write'),
    config,
    schema: pauseSchema,
    async handler({ params: { name: target }, body, apiKey }) {
      const end = readEnd(body)
      const reason = requireReason(body.reason)
      const paused = await pauseTarget(db, { target, who: apiKey?.name ?? '', reason, end })
      switch (paused.kind) {
        case 'paused':
          return { target, paused: paused.pause, before: paused.before }
        case 'end-has-passed':
          throw refuse('/until', `has passed: the database says ${paused.now.toISOString()}`)
        case 'unknown-target':
          throw new HttpProblem('target-not-found')
        default:
          return paused satisfies never
      }
    },
  })

  routes.route({
    method: 'POST',
    url: '/ops/targets/:name/resume',
    onRequest: requires('ops:write'),
    config,
    schema: resumeSchema,
    async handler({ params: { name: target }, body, apiKey }) {
      const reason = tidyReason(body?.reason)
      const resumed = await resumeTarget(db, { target, who: apiKey?.name ?? '', reason })
      switch (resumed.kind) {
        case 'resumed':
          return { target, before: resumed.before }
        case 'not-paused': {
          const until = resumed.over?.until
          const detail = until && `Its pause ended by itself at ${until.toISOString()}.`
          throw new HttpProblem('target-not-paused', detail ? { detail } : {})
        }
        case 'unknown-target':
          throw new HttpProblem('target-not-found')
        default:
          return resumed satisfies never
      }
    },
  })
}

const config = { invalidBody: 'invalid-body', notFound: 'target-not-found' } as const

function readEnd({
  forSeconds,
  until,
}: {
  forSeconds?: number
  until?: string
}): PauseRequest['end'] {
  if (forSeconds !== undefined && until !== undefined)
    throw refuse('/until', 'is not taken beside forSeconds')
  if (forSeconds !== undefined) return { afterSeconds: forSeconds }
  return until === undefined ? null : { at: new Date(until) }
}

function refuse(pointer: string, detail: string): HttpProblem {
  return new HttpProblem('invalid-body', { errors: [{ pointer, detail }] })
}

const described = { tags: ['operations'], security: [{ apiKey: [] }] }
const params = Type.Object({ name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,39}$' }) })
const reason = Type.String({ maxLength: 1_000, description: 'Why, for the audit log.' })

const bodyProblems = [
  'invalid-json',
  'request-timeout',
  'body-too-large',
  'unsupported-media-type',
  'invalid-body',
  'target-not-found',
] as const

const listSchema = {
  ...described,
  operationId: 'listTargets',
  summary: 'Every target with its circuit, pause, limits and what is open',
  response: {
    200: opsAnswer(
      'The targets, by name.',
      Type.Object({
        at: Type.String({ format: 'date-time', description: 'By the database.' }),
        targets: Type.Array(opsSchema('TargetReport')),
      }),
    ),
    ...problemAnswers(...usualProblems),
  },
}

const before = Type.Unsafe<unknown>({
  anyOf: [{ $ref: 'Pause#' }, { type: 'null' }],
  description: 'It was paused already; null: it was not.',
})

const pauseSchema = {
  ...described,
  operationId: 'pauseTarget',
  summary: 'Stop calling a target; what waits for it waits, and costs no attempt',
  description: 'Of one that is paused, reason and end are those given now.',
  params,
  body: Type.Object(
    {
      reason,
      forSeconds: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 31_536_000, description: 'Ends by itself.' }),
      ),
      until: Type.Optional({ ...moment, description: 'Ends by itself then.' }),
    },
    { additionalProperties: false },
  ),
  response: {
    200: opsAnswer(
      'It is paused.',
      Type.Object({ target: Type.String(), paused: opsSchema('Pause'), before }),
    ),
    ...problemAnswers(...usualProblems, ...bodyProblems),
  },
}

const resumeSchema = {
  ...described,
  operationId: 'resumeTarget',
  summary: 'Call a paused target again',
  params,
  body: Type.Unsafe<{ reason?: string } | null>({
    type: ['object', 'null'],
    properties: { reason },
    additionalProperties: false,
  }),
  response: {
    200: opsAnswer(
      'It is called again, as far as its circuit allows.',
      Type.Object({ target: Type.String(), before: opsSchema('Pause') }),
    ),
    ...problemAnswers(...usualProblems, ...bodyProblems, 'target-not-paused'),
  },
}
