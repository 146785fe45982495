import { type RawBuilder, sql } from 'kysely'

import type { Deployment } from '#base/deployment.ts'

/**
 * Whether the marker in the database is where it was written: `fits`, or what differs. `cluster`, `database`,
 * `renamed`: the marker was written in another; `copied`: the row was restored or copied; `environment`: another
 * environment owns it; `no-owner`: there is none.
 */
export type OwnerFit =
  | 'fits'
  | 'no-owner'
  | 'cluster'
  | 'database'
  | 'renamed'
  | 'copied'
  | 'environment'

/**
 * SQL that says it, for statements that are sent anyway. What cannot be known (a cluster that does not tell its
 * identifier) is not compared. A promoted standby has the identifier of its primary: a failover changes nothing.
 */
export function ownerFit({ environment }: Pick<Deployment, 'environment'>): RawBuilder<OwnerFit> {
  return sql<OwnerFit>`coalesce((
    select case
             when i.system_identifier <> orderwheel.this_cluster() then 'cluster'
             when i.database_oid <> d.oid then 'database'
             when i.database_name <> d.datname then 'renamed'
             when i.written_by::xid <> i.xmin then 'copied'
             when i.environment is distinct from ${environment}::text then 'environment'
             else 'fits'
           end
      from orderwheel.installation i, pg_database d
     where d.datname = current_database()), 'no-owner')`
}

/** Whether targets may be called from this database. */
export function mayDeliver({ deliver }: Pick<Deployment, 'deliver'>, fit: OwnerFit): boolean {
  return deliver === 'yes' || (deliver === 'if-owner' && fit === 'fits')
}

/** Whether an environment that does not deliver is as it should be: told not to, or a branch, which comes with a copy. */
export function waitsByDesign({ deliver, mayClaim }: Omit<Deployment, 'environment'>): boolean {
  return deliver === 'no' || !mayClaim
}

/** Whether the next worker that looks makes this environment the owner, since nobody is. */
export function willClaim(
  { deliver, mayClaim }: Pick<Deployment, 'deliver' | 'mayClaim'>,
  fit: OwnerFit,
): boolean {
  return fit === 'no-owner' && mayClaim && deliver !== 'no'
}
