import type { Db } from '#database/open-database.ts'
import { delivered, giveUp, type Outcome, tryAgain } from '#targets/outcome.ts'
import type { Call } from '#targets/target.ts'
import { withinDeadline } from '#targets/within-deadline.ts'

import { mostInPdf } from './ask-for-report.ts'
import { awaitOrders } from './await-orders.ts'
import { cutChunks } from './cut-chunks.ts'
import { beforeAllOrders, readOrders, type ReportedOrder } from './read-orders.ts'
import {
  addChunk,
  beginDraft,
  type Draft,
  finishDraft,
  isDeleted,
  LostDraft,
} from './report-draft.ts'
import { writers } from './report-writer.ts'
import { type Sum, sumOrders } from './sum-orders.ts'

export type ReportMaking = {
  db: Db
  /** Days that a report can be downloaded. */
  keepDays: number
}

/**
 * How the target `reports` is told: makes the report that a message asked for, from its first order on, and nothing when it
 * is made already or was deleted. No transaction lasts longer than a piece of the file, and no more than a piece of it is in memory.
 */
export function makeReport(making: ReportMaking, { message, signal }: Call): Promise<Outcome> {
  return withinDeadline(make(making, message.id, signal), signal, () =>
    tryAgain('it was not made in time, or the worker stopped'),
  )
}

async function make(
  { db, keepDays }: ReportMaking,
  id: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const early = await awaitOrders(db, id)
  if (early !== undefined) return early
  const draft = await beginDraft(db, id)
  if (draft === undefined) return giveUp(`there is no report ${id}: POST /reports asks for one`)
  if (draft === 'made') return delivered({ text: 'Made by an attempt before.' })
  if (draft === 'deleted') return deleted
  try {
    const { orders, sums, digest } = await write(db, draft, signal)
    await finishDraft(db, draft, { orders, sums, digest, keepDays })
    return delivered({ text: `${orders} orders.`, value: { orders } })
  } catch (error) {
    if (error instanceof LostDraft)
      return (await isDeleted(db, id)) ? deleted : tryAgain(error.message)
    if (error instanceof TooLong) return giveUp(error.message)
    throw error
  }
}

// Nobody wants it any more, and nobody has to decide what becomes of that.
const deleted = delivered({ text: 'It was deleted: nothing is made.' })

class TooLong extends Error {}

// Ten milliseconds of this process, in which no other call of it gets on.
const ordersAtATime = { csv: 500, pdf: 50 }

async function write(
  db: Db,
  draft: Draft,
  signal: AbortSignal,
): Promise<{ orders: number; sums: Sum[]; digest: Buffer }> {
  const writer = writers[draft.format](draft)
  const sums = sumOrders()
  let orders = 0
  const chunks = cutChunks((chunk) => addChunk(db, draft, { ...chunk, orders }))
  await chunks.write(writer.begin())
  for await (const some of ordersOf(db, draft)) {
    signal.throwIfAborted()
    orders += some.length
    if (draft.format === 'pdf' && orders > mostInPdf)
      throw new TooLong(`a PDF takes ${mostInPdf} orders, and there are more in its period`)
    sums.add(some)
    await chunks.write(writer.add(some))
  }
  await chunks.write(writer.end(sums.list()))
  return { orders, sums: sums.list(), digest: await chunks.end() }
}

async function* ordersOf(db: Db, draft: Draft): AsyncGenerator<ReportedOrder[]> {
  const limit = ordersAtATime[draft.format]
  let after = beforeAllOrders
  for (;;) {
    const orders = await readOrders(db, draft, { after, limit })
    if (orders.length > 0) yield orders
    if (orders.length < limit) return
    after = orders.at(-1)?.id ?? after
  }
}
