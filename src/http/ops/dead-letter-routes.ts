import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'

import type { Db } from '#database/open-database.ts'
import { holdLetters, type HoldRequest, releaseLetters } from '#dead-letters/hold-letters.ts'
import { listLetters } from '#dead-letters/list-letters.ts'
import { readGroups } from '#dead-letters/read-groups.ts'
import { readLetter, type LetterReport } from '#dead-letters/read-letter.ts'
import type { createAuthenticator } from '#http/authenticate.ts'
import { limitOf } from '#http/fields.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { requireReason } from '#http/tidy-reason.ts'

import { readFilter } from './ask-for-replay.ts'
import {
  changeHoldSchema,
  changeHoldsSchema,
  getLetterSchema,
  listGroupsSchema,
  listLettersSchema,
} from './dead-letter-schemas.ts'
import { refuseUnknownTarget } from './refuse-unknown-target.ts'

type Routes = { db: Db; requires: ReturnType<typeof createAuthenticator> }

/** GET /ops/dead-letters, /groups and /{id}; POST /ops/dead-letters/hold and /{id}/hold, and /release. */
export function addOpsDeadLetterRoutes(app: FastifyInstance, { db, requires }: Routes): void {
  const routes = app.withTypeProvider<TypeBoxTypeProvider>()

  routes.route({
    method: 'GET',
    url: '/ops/dead-letters',
    onRequest: requires('ops:read'),
    schema: listLettersSchema,
    async handler({ query: { state = 'open', limit, after, ...given } }) {
      await refuseUnknownTarget(db, given.target, { parameter: 'target' })
      const wanted = { filter: readFilter(given), state, limit: limitOf(limit) }
      const page = await listLetters(db, { ...wanted, ...(after === undefined ? {} : { after }) })
      if (page) return page
      const errors = [{ parameter: 'after', detail: 'is none of the places that a page ends with' }]
      throw new HttpProblem('invalid-query', { errors })
    },
  })

  routes.route({
    method: 'GET',
    url: '/ops/dead-letters/groups',
    onRequest: requires('ops:read'),
    schema: listGroupsSchema,
    async handler({ query: { target, limit } }) {
      await refuseUnknownTarget(db, target, { parameter: 'target' })
      return { groups: await readGroups(db, { target, limit: limitOf(limit) }) }
    },
  })

  routes.route({
    method: 'GET',
    url: '/ops/dead-letters/:id',
    onRequest: requires('ops:read'),
    config: { notFound: 'dead-letter-not-found' },
    schema: getLetterSchema,
    async handler({ params: { id } }) {
      return read(db, id)
    },
  })

  for (const [action, change] of [
    ['hold', holdLetters],
    ['release', releaseLetters],
  ] as const) {
    routes.route({
      method: 'POST',
      url: `/ops/dead-letters/:id/${action}`,
      onRequest: requires('ops:write'),
      config: { notFound: 'dead-letter-not-found', invalidBody: 'invalid-body' },
      schema: changeHoldSchema(action),
      async handler({ params: { id }, body: { reason }, apiKey }) {
        await change(db, asked({ ids: [id] }, apiKey, reason))
        return read(db, id)
      },
    })

    routes.route({
      method: 'POST',
      url: `/ops/dead-letters/${action}`,
      onRequest: requires('ops:write'),
      config: { invalidBody: 'invalid-body' },
      schema: changeHoldsSchema(action),
      async handler({ body: { reason, ...given }, apiKey }) {
        await refuseUnknownTarget(db, given.target, { pointer: '/target' })
        return { letters: await change(db, asked(readFilter(given), apiKey, reason)) }
      },
    })
  }
}

function asked(
  filter: HoldRequest['filter'],
  apiKey: { name: string } | undefined,
  reason: string,
): HoldRequest {
  return { filter, who: apiKey?.name ?? '', reason: requireReason(reason) }
}

async function read(db: Db, id: string): Promise<LetterReport> {
  const letter = await readLetter(db, id)
  if (!letter) throw new HttpProblem('dead-letter-not-found')
  return letter
}
