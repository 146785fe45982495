import type { IncomingMessage, ServerResponse } from 'node:http'

import type { FastifyInstance } from 'fastify'

import { HttpProblem } from '#http/http-problem.ts'
import { problem, problemMediaType } from '#http/problems.ts'

/** Says as a problem what Node would say without a body: no Host header (400), an unknown Expect (417). */
export function refuseUnmet(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw new HttpProblem('bad-request', { detail: 'The Host header is missing.' })
    }
  })

  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const answer = problem('expectation-failed')
    response.writeHead(answer.status, { 'content-type': problemMediaType })
    response.end(JSON.stringify(answer))
  })
}
