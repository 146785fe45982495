import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

import { HttpProblem } from './http-problem.ts'
import { isProblemCode, problems } from './problems.ts'

/** The JSON schema of every error, `#/components/schemas/Problem` in the OpenAPI file. */
export const Problem = Type.Object(
  {
    type: Type.String({ examples: ['/problems/invalid-order'] }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({
      enum: Object.keys(problems),
      description: 'What a program should look at.',
    }),
    detail: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(
            Type.String({ description: 'RFC 6901, into the body.', examples: ['/totals/total'] }),
          ),
          parameter: Type.Optional(Type.String({ description: 'Of the query.' })),
          detail: Type.String(),
        }),
      ),
    ),
    orderId: Type.Optional(Type.String({ format: 'uuid' })),
    by: Type.Optional(Type.String({ description: 'Who was first.' })),
    at: Type.Optional(Type.String({ format: 'date-time', description: 'When.' })),
    replayId: Type.Optional(Type.String({ format: 'uuid' })),
    requestId: Type.Optional(Type.String()),
  },
  { $id: 'Problem', description: 'RFC 9457.' },
)

/** GET /problems/{code}: where a problem's `type` leads. */
export function addProblemRoutes(app: FastifyInstance): void {
  app.get<{ Params: { code: string } }>('/problems/:code', {
    schema: { hide: true },
    async handler(request) {
      const { code } = request.params
      if (!isProblemCode(code)) throw new HttpProblem('not-found')
      const [status, title] = problems[code]
      return { code, status, title }
    },
  })
}
