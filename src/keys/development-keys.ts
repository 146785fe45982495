import { hash } from 'node:crypto'

import type { Db } from '#database/open-database.ts'

import { scopes, type Scope } from './scopes.ts'

/** Known to everybody who reads the README: for `orderwheel dev`, refused when NODE_ENV=production. */
export const developmentKeys: readonly { key: string; name: string; scopes: readonly Scope[] }[] = [
  {
    key: 'ow_dev_storefront',
    name: 'development storefront',
    scopes: ['orders:write', 'orders:read', 'messages:write'],
  },
  { key: 'ow_dev_operator', name: 'development operator', scopes },
]

/** Makes the development keys valid; those that are there already stay as they are. */
export async function storeDevelopmentKeys(db: Db): Promise<void> {
  await db
    .insertInto('orderwheel.api_keys')
    .values(
      developmentKeys.map(({ key, name, scopes }) => ({
        name,
        key_hash: hash('sha256', key, 'buffer'),
        key_start: key.slice(0, 12),
        scopes: [...scopes],
        revoked_at: null,
      })),
    )
    .onConflict((conflict) => conflict.column('key_hash').doNothing())
    .execute()
}
