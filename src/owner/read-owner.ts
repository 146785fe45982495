import { sql } from 'kysely'

import type { Deployment } from '#base/deployment.ts'
import type { Db, Tx } from '#database/open-database.ts'

import { mayDeliver, ownerFit, type OwnerFit, willClaim } from './owner-fit.ts'
import { sayFit } from './say-fit.ts'

/** Which database of which cluster, and which environment. */
export type Installation = {
  /** Of the cluster, in digits; null: it does not tell. */
  systemIdentifier: string | null
  databaseOid: number
  databaseName: string
  environment: string | null
}

export type OwnerReport = {
  /** Whether targets are called from here, as soon as there is a worker. */
  delivers: boolean
  fit: OwnerFit
  /** Why, for a person. */
  reason: string
  here: Installation
  /** Null: nobody owns it yet. */
  owner: (Installation & { since: Date; by: string }) | null
}

/** Whose database this is, and whether `deployment` may deliver from it. */
export async function readOwner(db: Db | Tx, deployment: Deployment): Promise<OwnerReport> {
  const { rows } = await sql<{ here: Installation; owner: WrittenOwner | null; fit: OwnerFit }>`
    select json_build_object('systemIdentifier', orderwheel.this_cluster()::text, 'databaseOid', d.oid::bigint,
                             'databaseName', d.datname, 'environment', ${deployment.environment}::text) as here,
           (select json_build_object('systemIdentifier', i.system_identifier::text,
                                     'databaseOid', i.database_oid::bigint, 'databaseName', i.database_name,
                                     'environment', i.environment, 'since', i.owned_since, 'by', i.owned_by)
              from orderwheel.installation i) as owner,
           ${ownerFit(deployment)} as fit
      from pg_database d where d.datname = current_database()`.execute(db)
  const [found] = rows
  if (!found) throw new Error('The database does not know itself.')
  const { here, owner, fit } = found
  return {
    delivers: mayDeliver(deployment, fit) || willClaim(deployment, fit),
    fit,
    reason: sayFit(deployment, fit),
    here,
    owner: owner && { ...owner, since: new Date(owner.since) },
  }
}

type WrittenOwner = Installation & { since: string; by: string }
