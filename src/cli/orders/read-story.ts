import { OrderwheelError } from '#base/errors.ts'
import type { Db } from '#database/open-database.ts'
import { readMessage } from '#orders/read-message.ts'
import { readOrder, type OrderReport } from '#orders/read-order.ts'
import { readTimeline, type TimelineEntry } from '#status/read-timeline.ts'

import type { Subject } from './subject.ts'

export type Story = OrderReport & { timeline: TimelineEntry[] }

export function subjectOf({ externalId, deliveries }: OrderReport): Subject {
  return { name: `order ${externalId}`, command: `orderwheel order ${externalId}`, deliveries }
}

/** An order with everything that happened to it, by its id or externalId. Throws `not-found`. */
export async function readStory(db: Db, which: string): Promise<Story> {
  const report = await readReport(db, which)
  return { ...report, timeline: await readTimeline(db, report.id) }
}

export async function readReport(db: Db, which: string): Promise<OrderReport> {
  // A storefront's number may look like a UUID, too.
  const report =
    (await readOrder(db, { externalId: which })) ??
    (isUuid(which) ? await readOrder(db, { id: which }) : undefined)
  if (report) return report
  const message = isUuid(which) ? await readMessage(db, which) : undefined
  if (message)
    throw new OrderwheelError(
      'not-found',
      `${which} is a message (${message.kind}), not an order: orderwheel message ${which}`,
    )
  throw new OrderwheelError('not-found', `There is no order with the id or externalId "${which}".`)
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
