import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** Security headers on every answer. Nothing this server sends may run or load anything; /docs sets its own policy. */
export async function addSecureHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"] },
    },
    // TLS ends at the proxy, which knows whether the whole domain is ready for it; a year once it does.
    hsts: { maxAge: 31_536_000, includeSubDomains: false },
  })
}
