select same_key.id as key_id, encode(same_key.fingerprint, 'hex') as fingerprint,
      same_key.forgotten_at is not null as is_forgotten, same_order.id as order_id
 from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as asked(api_key_id, idempotency_key, external_id, n)
 left join orderwheel.orders same_key using (api_key_id, idempotency_key)
 left join orderwheel.orders same_order on same_order.external_id = asked.external_id
order by n;
