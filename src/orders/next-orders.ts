import { type RawBuilder, sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import { hasEmail } from '#database/order-email.ts'

/** Which orders are meant; what is left out does not narrow. */
export type OrderFilter = {
  /** An id, or an externalId: also of declined orders, which gave theirs up. Not with a watermark. */
  order?: string
  /** The customer's, in any case. */
  email?: string
  /** Received at this time or later. */
  since?: Date
  /** Received before this time. */
  until?: Date
}

export type NextOrders = {
  /** The newest first. */
  ids: string[]
  /** How many orders were looked at for them. */
  looked: number
  /** Below which id to go on; null: there are no more. */
  goOn: string | null
}

/** What is looked at in one go for an address, or for what needs a person: half a second's worth, and more when it has to be read from disk. */
const ordersAtATime = 20_000

type Wanted = {
  filter: OrderFilter
  watermark: string | null
  /** Only those that wait for a decision. */
  needsPerson: boolean
  below: string | null
  limit: number
}

/**
 * The next orders that are meant, below an id. With a verification's `watermark` only those that may not be done, which
 * are the orders that the next one looks at, and those in the outbox. With an address or `needsPerson`, of the next 20 000.
 */
export async function nextOrders(db: Db, wanted: Wanted): Promise<NextOrders> {
  const { filter, watermark, needsPerson, limit } = wanted
  const { order, email } = filter
  const most = email === undefined && !needsPerson ? limit : ordersAtATime
  const isMeant = sql`${email === undefined ? sql`true` : hasEmail(email)} and ${needsPerson ? waitsForPerson : sql`true`}`
  // What may be open and has no order any more is looked at as well: there may be more behind it.
  const source = watermark
    ? sql`(${mayBeOpen(wanted, watermark, most)}) c(id) left join orderwheel.orders o on o.id = c.id`
    : sql`orderwheel.orders c cross join lateral (select c.id) o`
  const { rows } = await sql<{ ids: string[]; looked: number; last: string | null }>`
    with looked as materialized (
      select c.id, o.id is not null and ${isMeant} as meant
        from ${source}
       where ${order === undefined ? sql`true` : isIt(order)} and ${isInRange('c.id', wanted)}
       order by c.id desc limit ${most}
    )
    select array(select id::text from looked where meant order by id desc limit ${limit}) as ids,
           (select count(*)::int from looked) as looked,
           (select id::text from looked order by id limit 1) as last`.execute(db)
  const { ids = [], looked = 0, last = null } = rows[0] ?? {}
  if (ids.length === limit) return { ids, looked, goOn: ids.at(-1) ?? null }
  return { ids, looked, goOn: looked === most ? last : null }
}

// As orderState has it.
const waitsForPerson = sql`(
  exists (select from orderwheel.deliveries d
           where d.order_id = o.id and d.state in ('dead', 'uncertain'))
  or exists (select from orderwheel.outbox m where m.order_id = o.id and m.refusals > 0))`

// By ids, which are found in two indexes first: a condition on either number would be looked for in all orders.
function isIt(order: string): RawBuilder<boolean> {
  return sql`c.id = any(array(
    select id from orderwheel.orders where external_id = ${order}
    union
    select order_id from orderwheel.payments where external_id = ${order}
    ${isUuid(order) ? sql`union select ${order}::uuid` : sql``}))`
}

type Range = { filter: OrderFilter; below: string | null }

// Ids begin with the time of their order.
function isInRange(id: string, { filter: { since, until }, below }: Range): RawBuilder<boolean> {
  const conditions = [
    since && sql`${sql.ref(id)} >= ${firstId(since)}`,
    until && sql`${sql.ref(id)} < ${firstId(until)}`,
    below !== null && sql`${sql.ref(id)} < ${below}::uuid`,
  ].filter((condition) => condition !== false && condition !== undefined)
  return conditions.length === 0 ? sql`true` : sql`(${sql.join(conditions, sql` and `)})`
}

// No id is from before 1970.
function firstId(at: Date): RawBuilder<unknown> {
  return sql`orderwheel.first_id(greatest(${at}::timestamptz, 'epoch'))`
}

// Beyond the watermark everything may be; before it what verify_pending has, or was added to an older order since.
function mayBeOpen(range: Range, watermark: string, most: number): RawBuilder<unknown> {
  return sql`
    (select id from orderwheel.orders where id > ${watermark}::uuid and ${isInRange('id', range)}
      order by id desc limit ${most})
    union
    (select distinct order_id from orderwheel.verify_pending where ${isInRange('order_id', range)}
      order by order_id desc limit ${most})
    union
    (select distinct order_id from orderwheel.outbox where ${isInRange('order_id', range)}
      order by order_id desc limit ${most})
    union
    -- not by order and then all of history in search of new messages
    (select distinct order_id
       from (select order_id from orderwheel.messages where id > ${watermark}::uuid offset 0) m
      where order_id <= ${watermark}::uuid and ${isInRange('order_id', range)}
      order by order_id desc limit ${most})`
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
