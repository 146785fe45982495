-- What targets made of an order, a receipt: kept with the order, not with its history, which is dropped earlier.

create table orderwheel.order_files (
  order_id     uuid not null references orderwheel.orders on delete cascade,
  target       text not null check (length(target) between 1 and 64),
  message_id   uuid not null,
  name         text not null check (length(name) between 1 and 100),
  content_type text not null check (length(content_type) between 3 and 100),
  bytes        bytea not null check (octet_length(bytes) <= 10485760),
  made_at      timestamptz not null default now(),
  primary key (order_id, target)
);
alter table orderwheel.order_files alter column bytes set storage external;
comment on table  orderwheel.order_files is 'Files that targets made of orders, receipts: the last one of each target. Grows with the orders, and goes with them.';
comment on column orderwheel.order_files.order_id is 'The order. One of these rows goes when its order does.';
comment on column orderwheel.order_files.target is 'Who made it: `receipt`.';
comment on column orderwheel.order_files.message_id is 'The message it was made for. No foreign key: history is dropped earlier than orders.';
comment on column orderwheel.order_files.name is 'What a download is called: `receipt-WEB-10042.pdf`.';
comment on column orderwheel.order_files.content_type is 'Media type: `application/pdf`.';
comment on column orderwheel.order_files.bytes is 'The file, at most 10 MiB. Stored out of line and as it is: PDFs are compressed already.';
comment on column orderwheel.order_files.made_at is 'When its delivery was settled.';
comment on constraint order_files_pkey on orderwheel.order_files is 'One file of an order and target.';
comment on constraint order_files_order_id_fkey on orderwheel.order_files is 'A file goes with its order.';
