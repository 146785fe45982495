import { OrderwheelError } from '#base/errors.ts'
import { suggestName } from '#config/suggest-name.ts'
import type { Db } from '#database/open-database.ts'
import { readLimits } from '#limits/read-limits.ts'

/** The error that says that no process ever declared such a target, and which may have been meant. */
export async function unknownTarget(db: Db, written: string): Promise<OrderwheelError> {
  const names = (await readLimits(db)).targets.map(({ target }) => target)
  const meant =
    suggestName(written, names) ||
    (names.length === 0
      ? ': no worker or relay has started on this database yet'
      : `; there are ${names.join(', ')}`)
  const end = meant.endsWith('?') ? '' : '.'
  return new OrderwheelError('not-found', `There is no target "${written}"${meant}${end}`)
}
