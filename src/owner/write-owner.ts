import { type RawBuilder, sql } from 'kysely'

import type { Deployment } from '#base/deployment.ts'
import type { Db, Tx } from '#database/open-database.ts'

/** Makes this environment the owner of a database that has none. Answers whether it did. */
export async function claimOwnership(
  db: Db,
  { environment }: Pick<Deployment, 'environment'>,
  who: string,
): Promise<boolean> {
  // Of two that start at once, one becomes the owner; the other looks again.
  const claimed = await sql`${insertOwner(environment, who)} on conflict do nothing`.execute(db)
  return Number(claimed.numAffectedRows ?? 0) > 0
}

/** Makes this environment the owner, whoever was. Not in a subtransaction: see written_by. */
export async function replaceOwner(
  tx: Tx,
  { environment }: Pick<Deployment, 'environment'>,
  who: string,
): Promise<void> {
  await sql`delete from orderwheel.installation`.execute(tx)
  await insertOwner(environment, who).execute(tx)
}

function insertOwner(environment: string | null, who: string): RawBuilder<unknown> {
  return sql`
    insert into orderwheel.installation
           (system_identifier, database_oid, database_name, environment, owned_by)
    select orderwheel.this_cluster(), oid, datname, ${environment}, ${who}
      from pg_database where datname = current_database()`
}
