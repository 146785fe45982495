-- A shop changes its own table and adds the message that tells of it, in one transaction: both happen, or neither does.
-- Run by test/examples/outbox.test.ts. Here `shop.stock` stands for a table of yours.

begin;

update shop.stock set quantity = quantity - 2 where sku = 'IPOD-GREEN';

insert into orderwheel.outbox (kind, payload)
select 'stock.changed', jsonb_build_object('sku', sku, 'warehouse', 'eu', 'quantity', quantity, 'reason', 'sold')
  from shop.stock where sku = 'IPOD-GREEN';

commit;

-- Optional, in a transaction of its own, never inside the shop's: each commit that notifies takes a lock on the whole
-- database. Without it, the relay finds the message within 1.5 s.
notify orderwheel_outbox;
