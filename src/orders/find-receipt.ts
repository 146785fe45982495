import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db } from '#database/open-database.ts'
import type { DeliveryState } from '#database/tables.ts'

export type FoundReceipt =
  | { kind: 'order-not-found' }
  /** `bytes` null: whoever asks has it. `digest`: SHA-256, in hex. */
  | { kind: 'receipt'; name: string; contentType: string; digest: string; bytes: Buffer | null }
  /** `stuck`: not without a person. */
  | { kind: 'not-ready'; why: 'on-its-way' | 'retrying' | 'stuck' }
  | { kind: 'none'; forgotten: boolean }

type Row = {
  forgotten: boolean
  name: string | null
  contentType: string
  digest: string
  bytes: Buffer | null
  states: DeliveryState[]
  unrelayed: boolean
  refused: boolean
  unpaid: boolean
}

/**
 * The receipt of an order that one of `targets` made, the first of them that did, or why there is none. `kinds`: of
 * what they are told. `had`: digests that need not be sent again.
 */
export async function findReceipt(
  db: Db,
  {
    orderId,
    targets,
    kinds,
    had,
  }: { orderId: string; targets: string[]; kinds: string[]; had: string[] },
): Promise<FoundReceipt> {
  const found = await readRow(db, { orderId, targets, kinds, had })
  if (!found) return { kind: 'order-not-found' }
  const { forgotten, name, contentType, digest, bytes, states, unrelayed, refused, unpaid } = found
  if (name !== null) return { kind: 'receipt', name, contentType, digest, bytes }
  if (refused || states.includes('dead') || states.includes('uncertain'))
    return { kind: 'not-ready', why: 'stuck' }
  if (states.includes('retrying')) return { kind: 'not-ready', why: 'retrying' }
  if (unpaid || unrelayed || states.length > 0) return { kind: 'not-ready', why: 'on-its-way' }
  return { kind: 'none', forgotten }
}

// One statement, one snapshot: read in two, a delivery that ends in between would have neither state nor file.
async function readRow(
  db: Db,
  { orderId, targets, kinds, had }: Parameters<typeof findReceipt>[1],
): Promise<Row | undefined> {
  const { rows } = await sql<Row>`
    select o.forgotten_at is not null as forgotten, f.name, f.content_type as "contentType", f.digest,
           case when f.digest = any(${had}::text[]) then null else f.bytes end as bytes,
           array(select distinct d.state from orderwheel.deliveries d
                  where d.order_id = o.id and d.target = any(${targets}::text[])
                    and ${sinceOrders('d.message_id', [orderId])}
                    and d.state not in ('delivered', 'skipped', 'shed', 'cancelled')) as states,
           exists (select from orderwheel.outbox m
                    where m.order_id = o.id and m.kind = any(${kinds}::text[])) as unrelayed,
           exists (select from orderwheel.outbox m
                    where m.order_id = o.id and m.kind = any(${kinds}::text[])
                      and m.refusal is not null) as refused,
           exists (select from orderwheel.payments where order_id = o.id and state = 'pending') as unpaid
      from orderwheel.orders o
      left join lateral (
        select name, content_type, bytes, encode(sha256(bytes), 'hex') as digest
          from orderwheel.order_files
         where order_id = o.id and target = any(${targets}::text[])
         order by array_position(${targets}::text[], target)
         limit 1) f on true
     where o.id = ${orderId}::uuid`.execute(db)
  return rows[0]
}
