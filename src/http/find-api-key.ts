import { hash } from 'node:crypto'

import type pg from 'pg'

import type { Scope } from '#keys/scopes.ts'

export type ApiKey = { id: string; scopes: readonly Scope[]; ratePerSecond: number }

/** How long a revoked key may still be accepted by this process, and a new one refused. */
const rememberMilliseconds = 10_000

/** Guessed keys must not fill the memory. */
const maxRemembered = 10_000

/**
 * Looks a key up by its SHA-256, remembering the answer, a missing key's too, for 10 s. Rejects when the
 * database cannot be reached; that is not remembered.
 */
export function createApiKeyFinder(pool: pg.Pool, now: () => number = Date.now) {
  const remembered = new Map<string, { until: number; found: Promise<ApiKey | undefined> }>()

  return function findApiKey(key: string): Promise<ApiKey | undefined> {
    const keyHash = hash('sha256', key, 'hex')
    const known = remembered.get(keyHash)
    if (known && known.until > now()) return known.found
    remembered.delete(keyHash)
    const found = readApiKey(pool, keyHash)
    forgetOldest()
    remembered.set(keyHash, { until: now() + rememberMilliseconds, found })
    found.catch(() => remembered.delete(keyHash))
    return found
  }

  // A Map keeps the order of insertion.
  function forgetOldest() {
    const [oldest] = remembered.size < maxRemembered ? [] : remembered.keys()
    if (oldest !== undefined) remembered.delete(oldest)
  }
}

async function readApiKey(pool: pg.Pool, keyHash: string): Promise<ApiKey | undefined> {
  const { rows } = await pool.query<ApiKey>({
    name: 'find-api-key',
    text: `select id, scopes, rate_per_second as "ratePerSecond" from orderwheel.api_keys
            where key_hash = decode($1, 'hex') and revoked_at is null`,
    values: [keyHash],
  })
  return rows[0]
}
