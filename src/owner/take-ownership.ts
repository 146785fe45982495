import { sql } from 'kysely'

import type { Deployment } from '#base/deployment.ts'
import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'

import { readOwner, type OwnerReport } from './read-owner.ts'
import { replaceOwner } from './write-owner.ts'

export type TakeRequest = { deployment: Deployment; who: string; reason: string }

/**
 * Makes this environment the owner of the database, and says so in the audit log: its workers deliver what is open
 * within a second or so, those of other environments nothing any more.
 */
export async function takeOwnership(
  db: Db,
  request: TakeRequest,
): Promise<{ before: OwnerReport; after: OwnerReport }> {
  const taken = await db.transaction().execute((tx) => take(tx, request))
  // Nobody's name in particular: every worker looks again.
  await notifyOnce(db, 'orderwheel_targets', ['*'])
  return taken
}

async function take(tx: Tx, { deployment, who, reason }: TakeRequest) {
  // Two that take it at once would each delete the row that is there, and one fail to write its own.
  await sql`lock table orderwheel.installation in share row exclusive mode`.execute(tx)
  const before = await readOwner(tx, deployment)
  await replaceOwner(tx, deployment, who)
  const after = await readOwner(tx, deployment)
  await tx
    .insertInto('orderwheel.audit_log')
    .values({
      who,
      action: 'owner.taken',
      subject: after.here.databaseName,
      reason,
      details: JSON.stringify({ before: before.owner, after: after.owner }),
    })
    .execute()
  return { before, after }
}
