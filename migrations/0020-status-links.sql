-- The key under which links are signed that buyers get to see where their order is. Nothing else changes; the previous
-- version ignores it.

create table orderwheel.link_keys (
  purpose text        primary key check (purpose in ('status')),
  key     bytea       not null check (octet_length(key) = 32),
  made_at timestamptz not null default now()
);
comment on table  orderwheel.link_keys is 'The secret key that signs the links buyers get (links.status of an order). Write another key and restart the api processes, and every link that was given out is void.';
comment on column orderwheel.link_keys.purpose is 'What is signed with it.';
comment on column orderwheel.link_keys.key is 'Random. Whoever knows it can make the link of any order whose id they know.';
comment on column orderwheel.link_keys.made_at is 'When it was made.';
comment on constraint link_keys_pkey on orderwheel.link_keys is 'One key for a purpose.';

-- The one strong source of random bytes that PostgreSQL has without an extension: 122 bits of each.
insert into orderwheel.link_keys (purpose, key)
values ('status', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
