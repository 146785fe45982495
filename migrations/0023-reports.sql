-- Reports: files about many orders, made in the background by the built-in target `reports`. No other table is locked. The
-- previous version's relay refuses the message that asks for one, and tries again until this one runs: see decision 27.

create table orderwheel.reports (
  id           uuid        primary key,
  api_key_id   uuid        not null,
  requested_by text        not null check (length(requested_by) between 1 and 200),
  kind         text        not null check (kind in ('orders')),
  format       text        not null check (format in ('csv', 'pdf')),
  period_from  timestamptz not null,
  period_to    timestamptz not null,
  requested_at timestamptz not null default now(),
  attempt      uuid,
  begun_at     timestamptz,
  orders       bigint      not null default 0 check (orders >= 0),
  bytes        bigint      not null default 0 check (bytes >= 0),
  sums         jsonb       check (octet_length(sums::text) <= 65536),
  digest       bytea       check (octet_length(digest) = 32),
  made_at      timestamptz,
  expires_at   timestamptz,
  constraint reports_period check (period_from < period_to),
  constraint reports_begun check ((attempt is null) = (begun_at is null)),
  constraint reports_made check (
    case when made_at is null then sums is null and digest is null and expires_at is null
         else attempt is not null and sums is not null and digest is not null and expires_at is not null end)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index reports_unmade on orderwheel.reports (api_key_id, requested_at) where made_at is null;
create index reports_expiring on orderwheel.reports (expires_at) where made_at is not null;
comment on table  orderwheel.reports is 'Reports that were asked for with POST /reports. A report is a message (report.requested) about no order: its delivery to the target reports is the making of it. Files expire (reportsDays); the rows go 90 days later. No personal data.';
comment on column orderwheel.reports.id is 'The id of the message that asked for it, and of its delivery. No foreign key: history is dropped earlier.';
comment on column orderwheel.reports.api_key_id is 'The key that asked. How many it may have waiting is limited.';
comment on column orderwheel.reports.requested_by is 'The name of that key.';
comment on column orderwheel.reports.kind is 'What it is about: orders.';
comment on column orderwheel.reports.format is 'csv or pdf.';
comment on column orderwheel.reports.period_from is 'Orders that were received at this time or later.';
comment on column orderwheel.reports.period_to is 'Orders that were received before this time.';
comment on column orderwheel.reports.requested_at is 'When it was asked for.';
comment on column orderwheel.reports.attempt is 'The attempt that is, or was the last, to make it: only its chunks count. Each attempt begins anew under another one, which fences off a worker that lost the report to another.';
comment on column orderwheel.reports.begun_at is 'When that attempt began.';
comment on column orderwheel.reports.orders is 'How many orders are in it so far; when it is made, in all.';
comment on column orderwheel.reports.bytes is 'How long it is so far; when it is made, in all.';
comment on column orderwheel.reports.sums is 'By currency, of orders that stand: [{"currency", "orders", "cancelled", "unpaid", "tax", "total"}]. Null: not made.';
comment on column orderwheel.reports.digest is 'SHA-256 of the file. Null: not made.';
comment on column orderwheel.reports.made_at is 'When it was ready. Null: not yet, or never; its delivery says which.';
comment on column orderwheel.reports.expires_at is 'Until when it can be downloaded. Its chunks are deleted an hour later.';
comment on constraint reports_pkey on orderwheel.reports is 'One row for a report.';
comment on constraint reports_period on orderwheel.reports is 'A period has a length.';
comment on constraint reports_begun on orderwheel.reports is 'An attempt began at some time.';
comment on constraint reports_made on orderwheel.reports is 'What is known of a report that is made is known of no other.';
comment on index  orderwheel.reports_unmade is 'What a key waits for; and what was never made, for upkeep.';
comment on index  orderwheel.reports_expiring is 'What upkeep deletes next.';

create table orderwheel.report_chunks (
  report_id uuid    not null references orderwheel.reports on delete cascade,
  attempt   uuid    not null,
  number    integer not null check (number >= 0),
  bytes     bytea   not null check (octet_length(bytes) between 1 and 262144),
  primary key (report_id, attempt, number)
);
comment on table  orderwheel.report_chunks is 'The files of reports in pieces of 256 KiB, the last one shorter: written and read piece by piece, in transactions of a moment. Grows with each report, and goes when it expires.';
comment on column orderwheel.report_chunks.report_id is 'The report.';
comment on column orderwheel.report_chunks.attempt is 'Which attempt wrote it: see reports.attempt. Those of another attempt are debris, deleted by the next attempt or by upkeep.';
comment on column orderwheel.report_chunks.number is '0, 1, 2 …: the piece that begins at byte number * 262144.';
comment on column orderwheel.report_chunks.bytes is 'A piece of the file.';
comment on constraint report_chunks_pkey on orderwheel.report_chunks is 'One piece at a place of an attempt.';
comment on constraint report_chunks_report_id_fkey on orderwheel.report_chunks is 'Pieces go with their report.';

comment on column orderwheel.targets.kind is 'How it is told: http, batch, email, webhook or custom; or made: receipt, reports; or entered: audit.';
