import type pg from 'pg'

/** An order ready to be written: validated, its document as canonical JSON. */
export type NewOrder = {
  apiKeyId: string
  idempotencyKey: string
  /** SHA-256 of the document, 64 hexadecimal digits. */
  fingerprint: string
  externalId: string
  /** The order as JSON text. */
  document: string
}

/**
 * Writes orders and the outbox row of each in one statement and one round trip. An order whose
 * external id or idempotency key is known is left out. One that somebody else is writing is waited for,
 * for half a second; then all are refused with 55P03 (lock not available). A server that does not answer
 * within `answerWithinMilliseconds` is treated as gone. Returns each order's new id, in the order given;
 * undefined for those left out.
 */
export async function insertOrders(
  pool: pg.Pool,
  orders: readonly NewOrder[],
  answerWithinMilliseconds: number,
): Promise<(string | undefined)[]> {
  const query = {
    ...statement,
    query_timeout: answerWithinMilliseconds,
    // The documents are JSON already: joined as text, they are not parsed or escaped here.
    values: [`[${orders.map(asRow).join(',')}]`],
  }
  const { rows } = await pool.query<[number, string]>(query)
  const ids = new Map(rows)
  return orders.map((_, index) => ids.get(index))
}

const statement = {
  name: 'insert-orders',
  rowMode: 'array' as const,
  // `order by e`, the external id: two batches that hold the same orders lock them in the same order, so neither
  // can wait for the other. `on conflict do nothing` without a column: the race between two requests for
  // either unique index, key or external id, is lost quietly here and explained by find-conflicts.ts.
  // `patience`: PostgreSQL reads the setting when a wait begins, so that it holds for this very statement and is
  // gone with its transaction, whatever pooler is in between; a commit takes milliseconds, half a second is an
  // outage of somebody else's. It does not hold for locks of the whole table, which are taken before.
  // One jsonb parameter: 32 orders of 1.5 KB cost both sides 70 µs each, as five arrays 80 µs.
  text: `
    with patience as materialized (
      select set_config('lock_timeout', '500ms', true)
    ), incoming as materialized (
      select n, uuidv7() as id, e as external_id, a as api_key_id, k as idempotency_key, f as fingerprint, d as document
        from patience, jsonb_to_recordset($1::jsonb) as o(n integer, e text, a uuid, k text, f text, d jsonb)
       order by e, n
    ), placed as (
      insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document)
      select id, external_id, api_key_id, idempotency_key, decode(fingerprint, 'hex'), document from incoming
      on conflict do nothing
      returning id
    ), told as (
      insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed
    )
    select n, id from placed join incoming using (id)`,
}

function asRow(order: NewOrder, index: number): string {
  const { apiKeyId, idempotencyKey, fingerprint, externalId, document } = order
  const key = JSON.stringify(idempotencyKey)
  return `{"n":${index},"e":${JSON.stringify(externalId)},"a":"${apiKeyId}","k":${key},"f":"${fingerprint}","d":${document}}`
}
