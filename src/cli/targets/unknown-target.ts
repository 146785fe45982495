import { OrderwheelError } from '#base/errors.ts'
import { printable } from '#base/printable.ts'
import type { Db } from '#database/open-database.ts'
import { findUnknownTarget, sayUnknownTarget } from '#limits/unknown-target.ts'

/** The error that says that no process ever declared such a target, and which may have been meant. */
export async function unknownTarget(db: Db, written: string): Promise<OrderwheelError> {
  return notFound(await sayUnknownTarget(db, written))
}

/** Throws `not-found` for a target that no process ever declared, and of which no letters are left. */
export async function refuseUnknownTarget(db: Db, written: string | undefined): Promise<void> {
  const sentence = written === undefined ? undefined : await findUnknownTarget(db, written)
  if (sentence !== undefined) throw notFound(sentence)
}

function notFound(sentence: string): OrderwheelError {
  return new OrderwheelError('not-found', printable(sentence))
}
