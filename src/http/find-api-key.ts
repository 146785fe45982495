import { hash } from 'node:crypto'

import type pg from 'pg'

import { developmentKeys } from '#keys/development-keys.ts'
import type { Scope } from '#keys/scopes.ts'

import { HttpProblem } from './http-problem.ts'
import { takeTurns } from './take-turns.ts'

export type ApiKey = { id: string; name: string; scopes: readonly Scope[]; ratePerSecond: number }

/** How long a revoked key may still be accepted by this process, and a new one refused. */
const rememberMilliseconds = 10_000

/** Guesses may keep two connections busy, whoever makes them; a key that was good before waits for nobody. */
const guesses = {
  maxAtOnce: 2,
  queue: { most: 200, refuse: tooManyUnknownKeys },
  failTogether: true,
}

/**
 * Looks a key up by its SHA-256, remembering the answer, a missing key's too, for 10 s. A key that does not
 * look like one is not looked up. Rejects when the database cannot be reached, which is not remembered, and
 * with the problem `too-many-unknown-keys`.
 */
export function createApiKeyFinder(
  pool: pg.Pool,
  { now = Date.now, maxRemembered = 10_000 }: ApiKeyFinderOptions = {},
) {
  const good = new Map<string, { until: number; apiKey: ApiKey }>()
  const bad = new Map<string, { until: number }>()
  const underWay = new Map<string, Promise<ApiKey | undefined>>()
  const inTurn = takeTurns(guesses)

  return async function findApiKey(key: string): Promise<ApiKey | undefined> {
    if (!looksLikeKey(key)) return undefined
    const keyHash = hash('sha256', key, 'hex')
    const known = good.get(keyHash)
    if (known && known.until > now()) return known.apiKey
    if ((bad.get(keyHash)?.until ?? 0) > now()) return undefined
    return underWay.get(keyHash) ?? lookUp(keyHash, known !== undefined)
  }

  function lookUp(keyHash: string, wasGood: boolean): Promise<ApiKey | undefined> {
    const read = () => readApiKey(pool, keyHash)
    const found = (wasGood ? read() : inTurn(read))
      .then((apiKey) => {
        const until = now() + rememberMilliseconds
        good.delete(keyHash)
        if (apiKey) remember(good, keyHash, { until, apiKey })
        else remember(bad, keyHash, { until })
        return apiKey
      })
      .finally(() => underWay.delete(keyHash))
    underWay.set(keyHash, found)
    return found
  }

  // A Map keeps the order of insertion.
  function remember<T>(memory: Map<string, T>, keyHash: string, what: T) {
    memory.delete(keyHash)
    const [oldest] = memory.size < maxRemembered ? [] : memory.keys()
    if (oldest !== undefined) memory.delete(oldest)
    memory.set(keyHash, what)
  }
}

type ApiKeyFinderOptions = {
  now?: (() => number) | undefined
  /** Good keys, and as many bad ones: guesses drive out guesses only. */
  maxRemembered?: number
}

/** 32 random bytes (see create-key.ts), or a development key. */
function looksLikeKey(key: string): boolean {
  return /^ow_live_[\w-]{43}$/.test(key) || developmentKeys.some((known) => known.key === key)
}

function tooManyUnknownKeys(): HttpProblem {
  const detail = 'Too many keys this process does not know yet are being looked up.'
  return new HttpProblem('too-many-unknown-keys', { detail }, { 'retry-after': '1' })
}

async function readApiKey(pool: pg.Pool, keyHash: string): Promise<ApiKey | undefined> {
  const { rows } = await pool.query<ApiKey>({ ...statement, values: [keyHash] })
  return rows[0]
}

const statement = {
  name: 'find-api-key',
  text: `select id, name, scopes, rate_per_second as "ratePerSecond" from orderwheel.api_keys
          where key_hash = decode($1, 'hex') and revoked_at is null`,
  // An index lookup takes a millisecond: this is a database that is gone.
  query_timeout: 5_000,
}
