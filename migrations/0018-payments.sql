-- Orders that are paid while they are placed: what is known of each charge. No other table is locked for longer than a
-- foreign key takes to be made on an empty table.

create table orderwheel.payments (
  order_id      uuid        not null references orderwheel.orders on delete cascade,
  external_id   text        not null check (length(external_id) between 1 and 64),
  state         text        not null default 'pending' check (state in ('pending', 'authorized', 'captured', 'declined')),
  provider      text        not null check (length(provider) between 1 and 64),
  mode          text        not null check (mode in ('authorise', 'capture')),
  token         text        check (length(token) between 1 and 255),
  reference     text        check (length(reference) between 1 and 255),
  reason        text        check (length(reason) <= 2000),
  code          text        check (length(code) between 1 and 64),
  attempts      integer     not null default 1 check (attempts > 0),
  begun_at      timestamptz not null default now(),
  claimed_until timestamptz,
  try_after     timestamptz not null default now(),
  settled_at    timestamptz,
  primary key (order_id),
  check ((state = 'pending') = (settled_at is null)),
  check ((state = 'pending') = (token is not null)),
  check (state = 'pending' or claimed_until is null),
  check ((state in ('authorized', 'captured')) = (reference is not null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index payments_pending on orderwheel.payments (try_after) where state = 'pending';
create index payments_declined on orderwheel.payments (external_id, order_id) where state = 'declined';
comment on table  orderwheel.payments is 'Charges made while orders were placed (payment.token), one row for such an order. An order that was paid elsewhere has none. Grows with the orders, and goes with them.';
comment on column orderwheel.payments.order_id is 'The order. Its id is the key under which the gateway is asked, each time.';
comment on column orderwheel.payments.external_id is 'The storefront''s order number, which the order gives up when it is declined, so that the buyer can try again.';
comment on column orderwheel.payments.state is 'pending: not known, the gateway is being asked or will be · authorized · captured · declined. As the charge was answered: what was captured, voided or refunded later are deliveries of the target payment.';
comment on column orderwheel.payments.provider is 'The gateway, as the configuration calls it.';
comment on column orderwheel.payments.mode is 'authorise: the amount is held and captured later · capture: it is taken at once.';
comment on column orderwheel.payments.token is 'What stands for the card: a secret, kept until it is known whether it was charged.';
comment on column orderwheel.payments.reference is 'What the gateway calls the charge.';
comment on column orderwheel.payments.reason is 'Why it was declined, as the buyer was told; or why it is not known yet.';
comment on column orderwheel.payments.code is 'The gateway''s code for a decline.';
comment on column orderwheel.payments.attempts is 'How often somebody began to ask the gateway. Fences off a process that was frozen meanwhile.';
comment on column orderwheel.payments.begun_at is 'When it was begun.';
comment on column orderwheel.payments.claimed_until is 'Until when whoever is asking the gateway keeps others from it; null: nobody is.';
comment on column orderwheel.payments.try_after is 'When a relay asks the gateway again, if it is still pending.';
comment on column orderwheel.payments.settled_at is 'When it was known.';
comment on constraint payments_pkey on orderwheel.payments is 'One charge for an order.';
comment on constraint payments_order_id_fkey on orderwheel.payments is 'A payment goes with its order.';
comment on index orderwheel.payments_pending is 'What a relay has to ask about.';
comment on index orderwheel.payments_declined is 'Finds a declined order by its number.';

-- Added to whatever the view is by now, so that other migrations may change it as well.
do $$
begin
  execute 'create or replace view orderwheel.order_timeline as '
    || rtrim(pg_get_viewdef('orderwheel.order_timeline'::regclass), ';')
    || $view$
      union all
      select p.order_id, p.external_id, coalesce(p.settled_at, p.begun_at), case when p.settled_at is null then 2 else 1 end,
             'payment ' || p.state, null::text, null::integer,
             orderwheel.without_person(coalesce(p.reason, p.provider || ' ' || p.reference), o.document), null::text, null::uuid
        from orderwheel.payments p
        join orderwheel.orders o on o.id = p.order_id
    $view$;
end
$$;
comment on column orderwheel.order_timeline.event is 'What happened: order received, payment captured, a message''s kind, an attempt''s outcome, dead letter, what somebody decided and who.';
