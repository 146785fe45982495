import { hash } from 'node:crypto'

import reference from '@scalar/fastify-api-reference'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { HttpProblem } from './http-problem.ts'

/** The reference page at /docs: its script comes from this server, and it may load nothing from another. */
export async function serveDocs(app: FastifyInstance): Promise<void> {
  await app.register(async (docs) => {
    docs.addHook('onSend', async (_request, reply, payload) => {
      const type = String(reply.getHeader('content-type'))
      if (type.startsWith('text/html')) {
        void reply.header('content-security-policy', policyFor(String(payload)))
      }
    })
    await docs.register(reference, {
      routePrefix: '/docs',
      hooks: { onRequest: checkHost },
      configuration: {
        url: '/openapi.json',
        pageTitle: 'Orderwheel API',
        withDefaultFonts: false,
        telemetry: false,
        showDeveloperTools: 'never',
        hideClientButton: true,
        agent: { disabled: true },
        mcp: { disabled: true },
      },
    })
  })
}

// The page's plugin parses the Host header and would answer 500 to one that is no host.
function checkHost(request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) {
  if (URL.canParse(`http://${request.hostname}`)) done()
  else done(new HttpProblem('bad-request', { detail: 'The Host header is not a host.' }))
}

// The page starts with a script of its own text, admitted by its hash; the reference sets styles as it runs.
function policyFor(page: string): string {
  const scripts = [...page.matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/g)]
  const hashes = scripts.map(([, text = '']) => `'sha256-${hash('sha256', text, 'base64')}'`)
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
