import type pg from 'pg'

/**
 * So many orders, each with a dead letter, one a second, the last of them now. Every tenth target is `rare`, the
 * others `erp`; a hundred kinds of failure; `closedShare` of them are replayed or discarded by now.
 */
export async function buryMany(
  pool: pg.Pool,
  { count, closedShare = 0 }: { count: number; closedShare?: number },
): Promise<void> {
  const client = await pool.connect()
  // The tests' server commits later than it says; pages become all-visible, which index-only scans need, after that.
  await client.query('set synchronous_commit = on')
  await client.query(`
    insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document)
    select ${id}, 'WEB-' || n, ${id}, n::text, sha256(''), '{}' from generate_series(1, ${count}) n`)
  await client.query(`
    insert into orderwheel.messages (id, position, order_id, kind, payload, created_at)
    select ${id}, n, ${id}, 'order.placed', '{}', now() from generate_series(1, ${count}) n`)
  await client.query(`
    insert into orderwheel.deliveries (message_id, target, position, order_id, state, attempts, settled_at)
    select ${id}, ${target}, n, ${id}, 'dead', 1, now() from generate_series(1, ${count}) n`)
  await client.query(`
    insert into orderwheel.dead_letters (id, message_id, target, order_id, reason, attempts, died_at, resolution, resolved_at)
    select ${id}, ${id}, ${target}, ${id}, 'answered 422',
           jsonb_build_array(jsonb_build_object('number', 1, 'started_at', now(), 'outcome', 'give-up',
             'answer', jsonb_build_object('status', 422, 'code', 'E' || n % 100, 'text', repeat(md5(n::text), 20)))),
           now() - make_interval(secs => ${count} - n),
           case when closed then 'discarded' end,
           case when closed then now() - make_interval(secs => n) end
      from (select n, mod(n * 7919, 1000) < ${Math.round(closedShare * 1_000)} as closed
              from generate_series(1, ${count}) n) numbered`)
  await client.query(
    'vacuum analyze orderwheel.dead_letters, orderwheel.deliveries, orderwheel.orders, orderwheel.messages',
  )
  client.release(true)
}

const id = `lpad(to_hex(n), 32, '0')::uuid`
const target = `case when n % 10 = 0 then 'rare' else 'erp' end`
