import type { FastifyReply, FastifyRequest } from 'fastify'

import { developmentKeys } from '#keys/development-keys.ts'
import type { Scope } from '#keys/scopes.ts'

import type { ApiKey } from './find-api-key.ts'
import { HttpProblem } from './http-problem.ts'
import type { RateLimit } from './limit-rate.ts'

export type Authentication = {
  findApiKey: (key: string) => Promise<ApiKey | undefined>
  limitRate: (apiKey: ApiKey) => RateLimit
  production: boolean
}

/**
 * Hooks for routes that need a key: `requires('orders:read')` runs before the body is read, answers 401,
 * 403 or 429, counts the request against the key's rate limit, and leaves `request.apiKey`. What such a
 * route answers is not for any cache.
 */
export function createAuthenticator({ findApiKey, limitRate, production }: Authentication) {
  return function requires(scope: Scope) {
    return async function authenticate(request: FastifyRequest, reply: FastifyReply) {
      const apiKey = await presentedKey(request.headers.authorization)
      request.apiKey = apiKey
      const { admitted, headers } = limitRate(apiKey)
      void reply.headers(headers).header('cache-control', 'no-store')
      if (!admitted) {
        const detail = `This key may send ${apiKey.ratePerSecond} requests a second.`
        throw new HttpProblem('rate-limited', { detail })
      }
      if (!apiKey.scopes.includes(scope)) {
        throw new HttpProblem('missing-scope', { detail: `The API key lacks the scope ${scope}.` })
      }
    }
  }

  async function presentedKey(header: string | undefined): Promise<ApiKey> {
    if (header === undefined) throw unauthorized('Send Authorization: Bearer <api key>.')
    const key = /^bearer +([A-Za-z0-9._~+/-]{1,200}=*)$/i.exec(header)?.[1]
    if (key === undefined) {
      throw unauthorized('The Authorization header is not of the form Bearer <api key>.')
    }
    if (production && developmentKeys.some((known) => known.key === key)) {
      throw unauthorized('The development keys are refused when NODE_ENV=production.')
    }
    const apiKey = await findApiKey(key)
    if (!apiKey) throw unauthorized('The API key is unknown or revoked.', 'error="invalid_token"')
    return apiKey
  }
}

function unauthorized(detail: string, challenge?: string): HttpProblem {
  return new HttpProblem(
    'unauthorized',
    { detail },
    { 'www-authenticate': ['Bearer realm="orderwheel"', challenge].filter(Boolean).join(', ') },
  )
}
