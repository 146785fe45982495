import type { FastifyInstance } from 'fastify'

import type { ApiKey } from './find-api-key.ts'
import type { ProblemCode } from './problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent it, on routes that require a key. */
    apiKey: ApiKey | undefined
    /** For the log. */
    orderId: string | undefined
    problemCode: ProblemCode | undefined
  }

  interface FastifyContextConfig {
    /** What to answer when the body breaks its schema. Default `invalid-order`. */
    invalidBody?: ProblemCode
    /** What to answer when an id in the path cannot be one. Default `order-not-found`. */
    notFound?: ProblemCode
    /** Whether an empty body is none, though its media type is given. Default false: it is not JSON. */
    bodyOptional?: boolean
  }
}

/** Declared once, so that every request has the same shape. */
export function addRequestFields(app: FastifyInstance): void {
  app.decorateRequest('apiKey', undefined)
  app.decorateRequest('orderId', undefined)
  app.decorateRequest('problemCode', undefined)
}
