import { hash, randomBytes } from 'node:crypto'

import { OrderwheelError } from '#base/errors.ts'
import type { Db, Tx } from '#database/open-database.ts'

import type { Scope } from './scopes.ts'

export type NewKey = {
  /** What a person calls it, 1 … 100 characters. */
  name: string
  scopes: readonly Scope[]
  /** Requests a second that each api process admits. Default 2 000. */
  ratePerSecond?: number
  /** Who makes it, for the audit log. */
  who: string
}

/**
 * Makes a key. The key itself is in the answer only: the database keeps its SHA-256. Throws `name-taken` when
 * a valid key has this name, by which keys are revoked.
 */
export async function createKey(db: Db, newKey: NewKey): Promise<{ id: string; key: string }> {
  const key = `ow_live_${randomBytes(32).toString('base64url')}`
  try {
    return { id: await db.transaction().execute((tx) => storeKey(tx, key, newKey)), key }
  } catch (error) {
    throw isNameTaken(error) ? nameTaken(newKey.name, error) : error
  }
}

function isNameTaken(error: unknown): boolean {
  return (
    error instanceof Error && 'constraint' in error && error.constraint === 'api_keys_valid_name'
  )
}

function nameTaken(name: string, cause: unknown): OrderwheelError {
  return new OrderwheelError(
    'name-taken',
    `There is a valid key "${name}" already: give this one another name, or first revoke that one with: orderwheel keys revoke "${name}"`,
    { cause },
  )
}

async function storeKey(tx: Tx, key: string, newKey: NewKey): Promise<string> {
  const { id } = await tx
    .insertInto('orderwheel.api_keys')
    .values({
      name: newKey.name,
      // A fast hash is right for 256 random bits: there is nothing to guess.
      key_hash: hash('sha256', key, 'buffer'),
      key_start: key.slice(0, 'ow_live_'.length + 4),
      scopes: [...newKey.scopes],
      ...(newKey.ratePerSecond === undefined ? {} : { rate_per_second: newKey.ratePerSecond }),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who: newKey.who,
      action: 'key.created',
      subject: id,
      details: JSON.stringify({ name: newKey.name, scopes: newKey.scopes }),
    })
    .execute()
  return id
}
