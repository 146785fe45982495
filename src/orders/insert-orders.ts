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
 * external id or idempotency key is known (or being written by somebody else, whom this waits for)
 * is left out. Returns each order's new id, in the order given; undefined for those left out.
 */
export async function insertOrders(
  pool: pg.Pool,
  orders: readonly NewOrder[],
): Promise<(string | undefined)[]> {
  const { rows } = await pool.query<[number, string]>({
    ...statement,
    // The documents are JSON already: joined as text, they are not parsed or escaped here.
    values: [`[${orders.map(asRow).join(',')}]`],
  })
  const ids = new Map(rows)
  return orders.map((_, index) => ids.get(index))
}

/** A server that does not answer for this long is treated as gone: the caller hears 503 and may repeat. */
const answerWithinMilliseconds = 10_000

const statement = {
  name: 'insert-orders',
  rowMode: 'array' as const,
  query_timeout: answerWithinMilliseconds,
  // `order by e`, the external id: two batches that hold the same orders lock them in the same order, so neither
  // can wait for the other. `on conflict do nothing` without a column: the race between two requests for
  // either unique index, key or external id, is lost quietly here and explained by find-conflicts.ts.
  // One jsonb parameter: 32 orders of 1.5 KB cost both sides 70 µs each, as five arrays 80 µs.
  text: `
    with incoming as materialized (
      select n, uuidv7() as id, e as external_id, a as api_key_id, k as idempotency_key, f as fingerprint, d as document
        from jsonb_to_recordset($1::jsonb) as o(n integer, e text, a uuid, k text, f text, d jsonb)
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
