import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

import { deadLetterSchemas } from '#http/ops/dead-letter-schemas.ts'
import { opsSchemas } from '#http/ops/overview-answers.ts'
import { replaySchemas } from '#http/ops/replay-answers.ts'
import { messageSchemas } from '#http/orders/message-answers.ts'
import { orderSchemas } from '#http/orders/order-answers.ts'
import { reportSchemas } from '#http/reports/report-answers.ts'

import { Problem } from './problem-routes.ts'

/** OpenAPI 3.1 at /openapi.json, made of the routes' own schemas. Must be called before the routes are added. */
export async function describeApi(app: FastifyInstance): Promise<void> {
  for (const schema of [
    Problem,
    ...orderSchemas,
    ...messageSchemas,
    ...reportSchemas,
    ...deadLetterSchemas,
    ...replaySchemas,
    ...opsSchemas,
  ])
    app.addSchema(schema)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Orderwheel',
        version: '1',
        description:
          'Takes the order now; what is slow happens behind it, retried until it succeeds.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // This server, wherever it is.
      servers: [{ url: '/' }],
      tags: [
        { name: 'orders', description: 'Placing orders and following them.' },
        { name: 'buyers', description: 'What those see who placed one.' },
        { name: 'messages', description: 'Telling targets of what is yours, and following it.' },
        { name: 'reports', description: 'Files about many orders, made in the background.' },
        { name: 'operations', description: 'What operators do, as with the commands.' },
        { name: 'health', description: 'For load balancers.' },
      ],
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description: 'Made by `orderwheel keys create`. In development: `ow_dev_storefront`.',
          },
        },
      },
    },
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) =>
        typeof schema.$id === 'string' ? schema.$id : `schema-${index}`,
    },
  })
  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'))
  let document: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    document ??= JSON.stringify(app.swagger())
    return reply.header('content-type', 'application/json; charset=utf-8').send(document)
  })
}
