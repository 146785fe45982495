import type { Bench } from '../scenario.ts'
import type { Backlog } from './fill-backlog.ts'

/**
 * Has the product deliver some first, as in a shop that is not new: on empty tables PostgreSQL plans for tables
 * of no rows, and what is measured would be those plans. Call `tidy` afterwards.
 */
export async function makeHistory(
  bench: Bench,
  backlog: Backlog,
  env: Record<string, string>,
): Promise<void> {
  const deliveries = bench.quick ? 10_000 : 50_000
  bench.progress(`delivering ${deliveries} first`)
  await backlog.add(deliveries)
  const worker = bench.startOrderwheel(['worker', '--drain'], env)
  if ((await worker.ended) !== 0) throw new Error(`the worker failed:\n${worker.output()}`)
}
