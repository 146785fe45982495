import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { HttpProblem } from './http-problem.ts'

/**
 * For requests no route takes: 404, or, when the path is known, 405 with `Allow` (204 for OPTIONS). Must
 * be called before the routes are added.
 */
export function addUnknownHandler(app: FastifyInstance): void {
  const known: { path: RegExp; methods: Set<string> }[] = []

  app.addHook('onRoute', ({ url, method }) => {
    const path = new RegExp(`^${url.replaceAll(/:[^/]+/g, '[^/]+').replaceAll('.', '\\.')}$`)
    known.push({ path, methods: new Set([method].flat()) })
  })

  app.setNotFoundHandler(async (request: FastifyRequest, reply: FastifyReply) => {
    const [path = ''] = request.url.split('?')
    const methods = new Set(
      known.filter((route) => route.path.test(path)).flatMap((route) => [...route.methods]),
    )
    if (methods.size === 0) throw new HttpProblem('not-found')
    const allow = [...methods, 'OPTIONS'].join(', ')
    if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
    throw new HttpProblem('method-not-allowed', { detail: `Allowed: ${allow}.` }, { allow })
  })
}
