import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import type { DoctorReport } from '#doctor/run-doctor.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { problemAnswers, rateLimitHeaders, usualProblems } from '#http/describe-answers.ts'

export type Diagnose = () => Promise<DoctorReport>

type DoctorRoutes = { diagnose: Diagnose; requires: ReturnType<typeof createAuthenticator> }

/** GET /ops/doctor: what orderwheel doctor does. */
export function addOpsDoctorRoutes(
  app: FastifyInstance,
  { diagnose, requires }: DoctorRoutes,
): void {
  const share = shareUnderWay(diagnose)
  app.withTypeProvider<TypeBoxTypeProvider>().route({
    method: 'GET',
    url: '/ops/doctor',
    onRequest: requires('ops:read'),
    schema,
    handler: share,
  })
}

/** Each examination opens connections of its own: whoever asks while one is under way gets its answer. */
function shareUnderWay(diagnose: Diagnose): Diagnose {
  let underWay: Promise<DoctorReport> | undefined
  return () => {
    underWay ??= diagnose().finally(() => (underWay = undefined))
    return underWay
  }
}

const Finding = Type.Object({
  kind: Type.String({ description: 'What a program should look at.', examples: ['xmin-held'] }),
  severity: Type.String({ enum: ['error', 'warning'] }),
  what: Type.String({ description: 'What is the case, with the numbers.' }),
  why: Type.String({ description: 'Why it matters.' }),
  fix: Type.String({ description: 'The SQL, setting or command that mends it.' }),
})

const DoctorAnswer = Type.Object({
  examinedAt: Type.String({ format: 'date-time', description: 'By the clock of the api.' }),
  findings: Type.Array(Finding, { description: 'Errors first. Empty: nothing is wrong.' }),
  well: Type.Array(Type.String(), { description: 'What was examined and found well.' }),
  unseen: Type.Array(Type.Object({ subject: Type.String(), reason: Type.String() }), {
    description: 'What the api’s role may not see.',
  }),
})

const schema = {
  tags: ['operations'],
  security: [{ apiKey: [] }],
  operationId: 'examineDatabase',
  summary: 'Look at the database for what is wrong with it',
  description: 'Takes from a second to a minute, for a database that hardly answers.',
  response: {
    200: {
      description: 'What was found.',
      headers: rateLimitHeaders,
      content: { 'application/json': { schema: DoctorAnswer } },
    },
    ...problemAnswers(...usualProblems),
  },
}
