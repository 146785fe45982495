import { type RawBuilder, sql } from 'kysely'

/**
 * SQL that says that a message's id (`d.message_id`) is one of those between the lowest and the highest of these:
 * all of them are. Ids are uuidv7 and partitions are months: PostgreSQL then plans for one or two of them only,
 * which is most of what planning a statement over a history of years would cost. Not for an empty list.
 */
export function withinIds(column: string, ids: readonly string[]): RawBuilder<boolean> {
  let lowest = ids[0]
  let highest = ids[0]
  for (const id of ids) {
    if (lowest === undefined || id < lowest) lowest = id
    if (highest === undefined || id > highest) highest = id
  }
  return sql`${sql.ref(column)} between ${lowest}::uuid and ${highest}::uuid`
}

/** As above, for what happened to these orders: nothing is told of an order before there is one. */
export function sinceOrders(column: string, orderIds: readonly string[]): RawBuilder<boolean> {
  const earliest = orderIds.reduce((one, other) => (one < other ? one : other), highestId)
  return sql`${sql.ref(column)} >= ${earliestMessageId(earliest)}::uuid`
}

/** Whether a message may have this id: by its time, it happened after its order was made. */
export function isAfterOrder(messageId: string, orderId: string): boolean {
  return messageId >= earliestMessageId(orderId)
}

const highestId = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

// A clock may step back after a failover, and an application that makes its own ids has a clock of its own.
const toleratedMs = 86_400_000

function earliestMessageId(orderId: string): string {
  const madeAt = Number.parseInt(orderId.slice(0, 8) + orderId.slice(9, 13), 16)
  const time = Math.max(0, madeAt - toleratedMs)
    .toString(16)
    .padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`
}
