-- What follows from a payment that is known follows from its row: whoever writes it, also a version before this one, or a
-- person by SQL. Writers of payments wait for a moment, no other table's do.

create function orderwheel.settle_order(which uuid) returns void language plpgsql as $$
declare
  paid record;
  earliest uuid;
begin
  -- Waits for a cancellation that is being written (its message share-locks the order): what was cancelled before it was
  -- paid is not told as placed, and what is placed is told before its cancellation.
  select orderwheel.first_id(received_at - interval '1 day') into earliest
    from orderwheel.orders where id = which for update;
  select * into paid from orderwheel.payments where order_id = which;
  if coalesce(paid.state, 'pending') = 'pending' then
    return;
  end if;
  -- A number nobody can guess takes the place of a declined order's own, so that the buyer can try again under it.
  update orderwheel.orders o
     set document = jsonb_set(o.document, '{payment}', jsonb_build_object(
           'status', paid.state, 'provider', paid.provider, 'reference', paid.reference, 'mode', paid.mode)),
         external_id = case when paid.state = 'declined' then 'declined-' || gen_random_uuid() else o.external_id end
   where o.id = which and o.document #>> '{payment,status}' = 'pending';
  -- What an order that said so before was told of may be dropped by now.
  if found and paid.state <> 'declined' then
    insert into orderwheel.outbox (order_id, kind, created_at)
    select which, 'order.placed', greatest(now(), least(paid.settled_at, clock_timestamp())) -- in the order's story, after its payment
     where not exists (select from orderwheel.outbox b where b.order_id = which and b.kind in ('order.cancelled', 'order.placed'))
       and not exists (select from orderwheel.messages m where m.order_id = which and m.id >= earliest and m.kind in ('order.cancelled', 'order.placed'));
  end if;
  -- What was held until this is known, a cancellation, or was refused for it.
  update orderwheel.outbox set try_after = case when refusals > 0 then now() end
   where order_id = which and try_after > now();
end
$$;
comment on function orderwheel.settle_order(uuid) is 'What follows from what is known of an order''s payment: the order says so, is told as placed if it was paid and not cancelled, and what was held until then is relayed. Twice is as once.';

create function orderwheel.payment_settled() returns trigger language plpgsql as $$
begin
  perform orderwheel.settle_order(new.order_id);
  return null;
end
$$;
comment on function orderwheel.payment_settled() is 'Has follow what follows, in the transaction that writes down what became of a payment.';

create trigger payment_settled after update of state on orderwheel.payments
  for each row when (old.state = 'pending' and new.state <> 'pending') execute function orderwheel.payment_settled();
comment on trigger payment_settled on orderwheel.payments is 'Whoever writes down what became of a payment, the order goes on.';

-- Those that were settled past us, and whose cancellation would wait for ever.
select orderwheel.settle_order(b.order_id)
  from orderwheel.outbox b join orderwheel.payments p on p.order_id = b.order_id
 where b.try_after = 'infinity' and p.state <> 'pending';
