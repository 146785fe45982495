-- What an order came to is read from its history. Before a month of that is dropped, what nobody would know without it is
-- written to the order and its payment: that it was cancelled, and what became of the money. Two columns without a default:
-- orders and payments are locked for a moment, and no row is read or written; 0031 looks at the check.

alter table orderwheel.orders add column cancelled_at timestamptz;
comment on column orderwheel.orders.cancelled_at is 'When it was cancelled, written down before the history that says so is dropped (keep_endings); null: its messages say it, if it was.';
alter table orderwheel.payments add column became text;
alter table orderwheel.payments add constraint payments_became_check check (became in ('captured', 'voided', 'refunded')) not valid;
comment on column orderwheel.payments.became is 'What became of the charge, written down before the history that says so is dropped (keep_endings); null: the deliveries of the target payment say it, if anything did.';

create function orderwheel.keep_endings(since timestamptz, until timestamptz) returns integer language plpgsql as $$
declare
  kept integer;
begin
  with cancelled as (
    select m.order_id, min(m.created_at) as at
      from orderwheel.messages m
     where m.id >= orderwheel.first_id(since) and m.id < orderwheel.first_id(until) and m.kind = 'order.cancelled'
     group by m.order_id
  ), locked as (
    select o.id, c.at from cancelled c join orderwheel.orders o on o.id = c.order_id
     where o.cancelled_at is null
     order by o.id for no key update of o
  )
  update orderwheel.orders o set cancelled_at = l.at from locked l where o.id = l.id;
  get diagnostics kept = row_count;
  with told as (
    select d.order_id, bool_or(m.kind = 'order.placed') as placed, bool_or(m.kind = 'order.cancelled') as cancelled
      from orderwheel.deliveries d join orderwheel.messages m on m.id = d.message_id
     where d.message_id >= orderwheel.first_id(since) and d.message_id < orderwheel.first_id(until)
       and m.id >= orderwheel.first_id(since) and m.id < orderwheel.first_id(until)
       and d.target = 'payment' and d.state = 'delivered' and m.kind in ('order.placed', 'order.cancelled')
     group by d.order_id
  ), locked as (
    select p.order_id,
           case when not t.cancelled then 'captured'
                when t.placed or p.state = 'captured' or p.became = 'captured' then 'refunded'
                else 'voided' end as became
      from told t join orderwheel.payments p on p.order_id = t.order_id
     where (p.state = 'authorized' or p.state = 'captured' and t.cancelled)
       and (p.became is null or p.became = 'captured')
     order by p.order_id for no key update of p
  )
  update orderwheel.payments p set became = l.became from locked l
   where p.order_id = l.order_id and p.became is distinct from l.became;
  return kept;
end
$$;
comment on function orderwheel.keep_endings(timestamptz, timestamptz) is 'Writes down which orders were cancelled, and what became of their payments, by what happened in this time: before the months that say so are dropped, the earliest first. Of a large month by the hour or day: it locks what it writes. Answers how many were cancelled. Twice is as once.';

-- Added to whatever the view is by now, so that other migrations may change it as well.
do $$
begin
  execute 'create or replace view orderwheel.order_timeline as '
    || rtrim(pg_get_viewdef('orderwheel.order_timeline'::regclass), ';')
    || $view$
      union all
      select o.id, o.external_id, o.cancelled_at, 2, 'order.cancelled', null::text, null::integer,
             'what was told of it is not kept any more', null::text, null::uuid
        from orderwheel.orders o
       where o.cancelled_at is not null
         and not exists (select from orderwheel.messages m where m.order_id = o.id and m.kind = 'order.cancelled')
    $view$;
end
$$;
