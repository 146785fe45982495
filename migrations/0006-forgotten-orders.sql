-- By itself, so that nobody who places an order waits for more than this.
alter table orderwheel.orders add column forgotten_at timestamptz;
comment on column orderwheel.orders.forgotten_at is 'When the personal data in it was removed (orderwheel forget); null: it was not.';
