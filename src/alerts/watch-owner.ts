import type { Db } from '#database/open-database.ts'

import { raiseAlert } from './raise-alert.ts'
import { resolveAlert } from './resolve-alert.ts'

/** Whether targets are called from this database. */
export type Delivering = {
  delivers: boolean
  /** Why not, for a person. */
  reason: string
  /** The environment that asks. Others may be at the same database, rightly or not. */
  here: { environment: string | null }
  /** This environment is not to call anybody unless somebody says so. */
  waitsByDesign: boolean
}

/** Raises the alert that nobody is told of anything, where somebody should be. */
export async function watchOwner(
  db: Db,
  { delivers, reason, here, waitsByDesign }: Delivering,
): Promise<void> {
  const about = { kind: 'owner', subject: here.environment ?? '' } as const
  if (delivers || waitsByDesign) await resolveAlert(db, about)
  else await raiseAlert(db, { ...about, text: `No target is told of any order: ${reason}` })
}
