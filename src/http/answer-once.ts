import { hash } from 'node:crypto'

import type { FastifyReply, FastifyRequest } from 'fastify'
import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'
import { canonicalJson } from '#orders/canonical-json.ts'

import { HttpProblem } from './http-problem.ts'
import { readIdempotencyKey } from './idempotency-key.ts'

/** What is answered and, with an Idempotency-Key, kept: a status from 200 to 499, and a body. */
export type Answer<Body extends object> = { status: number; body: Body }

const keptFor = sql`interval '7 days'`
const patience = '500ms'

/**
 * Does what a request asks for in one transaction, and answers. With an Idempotency-Key the answer is stored in the
 * same transaction, for 7 days: the same request again gets it again, with `Idempotent-Replayed: true`, and nothing
 * is done. A key that was used for something else is refused, and so is a request whose first one still runs. What
 * throws stores nothing. `isNew`: it was done now. `Location` is the body's `links.self`.
 */
export async function answerOnce<Body extends object>(
  db: Db,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  work: (tx: Tx) => Promise<Answer<Body>>,
): Promise<{ body: Body; isNew: boolean }> {
  const key = keyOf(request)
  const { answer, isNew } = await db.transaction().execute(async (tx) => {
    const stored = key && (await claimKey<Body>(tx, key))
    if (stored) return { answer: stored, isNew: false }
    const answer = await work(tx)
    if (key) await storeAnswer(tx, key, answer)
    return { answer, isNew: true }
  })
  void reply.code(answer.status)
  const location = selfOf(answer.body)
  if (location !== undefined) void reply.header('location', location)
  if (!isNew) void reply.header('idempotent-replayed', 'true')
  return { body: answer.body, isNew }
}

type Key = { apiKeyId: string; idempotencyKey: string; route: string; fingerprint: Buffer }

function keyOf(request: FastifyRequest): Key | undefined {
  const header = request.headers['idempotency-key']
  if (header === undefined) return undefined
  const [path = ''] = request.url.split('?')
  return {
    apiKeyId: request.apiKey?.id ?? '',
    idempotencyKey: readIdempotencyKey(header),
    route: `${request.method} ${path}`.slice(0, 200),
    // As for orders: the order of the members does not matter.
    fingerprint: hash('sha256', canonicalJson(request.body ?? null), 'buffer'),
  }
}

/** Answers what the key was answered before; undefined: it is ours now, until the transaction ends. */
async function claimKey<Body extends object>(tx: Tx, key: Key): Promise<Answer<Body> | undefined> {
  const { apiKeyId, idempotencyKey, route, fingerprint } = key
  if (await insertKey(tx, key)) {
    await forgetOldKeys(tx)
    return undefined
  }
  const { rows } = await sql<Answer<Body> & { isSame: boolean }>`
    select status, answer as body, route = ${route} and fingerprint = ${fingerprint} as "isSame"
      from orderwheel.idempotency_keys
     where api_key_id = ${apiKeyId} and idempotency_key = ${idempotencyKey}`.execute(tx)
  const [found] = rows
  if (!found) throw inProgress()
  if (!found.isSame)
    throw new HttpProblem('idempotency-key-reused', {
      detail: 'Use a new Idempotency-Key for a new request.',
    })
  return { status: found.status, body: found.body }
}

// Whoever has the key is waited for: its row is not to be seen before it commits. An expired key begins anew.
async function insertKey(
  tx: Tx,
  { apiKeyId, idempotencyKey, route, fingerprint }: Key,
): Promise<boolean> {
  const { rows: before } = await sql<{ timeout: string }>`
    select current_setting('lock_timeout') as timeout, set_config('lock_timeout', ${patience}, true)`.execute(
    tx,
  )
  try {
    const { rows } = await sql`
      insert into orderwheel.idempotency_keys as k (api_key_id, idempotency_key, route, fingerprint)
      values (${apiKeyId}, ${idempotencyKey}, ${route}, ${fingerprint})
      on conflict (api_key_id, idempotency_key) do update
        set route = excluded.route, fingerprint = excluded.fingerprint, created_at = now(),
            status = null, answer = null
        where k.created_at < now() - ${keptFor}
      returning 1`.execute(tx)
    await sql`select set_config('lock_timeout', ${before[0]?.timeout ?? '0'}, true)`.execute(tx)
    return rows.length > 0
  } catch (error) {
    throw isLockTimeout(error) ? inProgress() : error
  }
}

// A few more than come in, so that none are left in the end.
async function forgetOldKeys(tx: Tx): Promise<void> {
  await sql`
    delete from orderwheel.idempotency_keys
     where (api_key_id, idempotency_key) in (
       select api_key_id, idempotency_key from orderwheel.idempotency_keys
        where created_at < now() - ${keptFor}
        order by created_at limit 10
          for update skip locked)`.execute(tx)
}

async function storeAnswer(
  tx: Tx,
  { apiKeyId, idempotencyKey }: Key,
  { status, body }: Answer<object>,
): Promise<void> {
  await sql`
    update orderwheel.idempotency_keys set status = ${status}, answer = ${JSON.stringify(body)}::jsonb
     where api_key_id = ${apiKeyId} and idempotency_key = ${idempotencyKey}`.execute(tx)
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03'
}

function inProgress(): HttpProblem {
  return new HttpProblem(
    'request-in-progress',
    { detail: 'Repeat the request with the same Idempotency-Key.' },
    { 'retry-after': '1' },
  )
}

function selfOf(body: object): string | undefined {
  const links = 'links' in body ? body.links : undefined
  const self = links instanceof Object && 'self' in links ? links.self : undefined
  return typeof self === 'string' ? self : undefined
}
