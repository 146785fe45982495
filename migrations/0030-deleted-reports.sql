-- Reports can be deleted, and upkeep finds those of which something is left without looking at all of 90 days. Only `reports` is
-- locked, for a moment. The previous version's workers can make a report that was deleted before it was begun: its file is
-- never shown, and goes with this version's upkeep.

alter table orderwheel.reports add column deleted_at timestamptz, add column emptied_at timestamptz;
comment on column orderwheel.reports.deleted_at is 'When it was deleted: its pieces are gone or going, nobody makes it any more, and the row stays as long as it would have. Null: it was not.';
comment on column orderwheel.reports.emptied_at is 'When upkeep found that nothing of it is left to delete, and nobody is on the way to make it. Null: pieces may be there, or come.';
comment on column orderwheel.reports.attempt is 'The attempt that is, or was the last, to make it: only its pieces count. Each attempt begins anew under another one, which fences off a worker that lost the report to another. Null: none; deleted, or given up, while it was not made.';
comment on column orderwheel.reports.expires_at is 'Until when it can be downloaded. Its pieces are deleted an hour later.';

drop index orderwheel.reports_unmade;
drop index orderwheel.reports_expiring;
create index reports_of_key on orderwheel.reports (api_key_id, expires_at) where emptied_at is null;
create index reports_to_empty on orderwheel.reports (least(deleted_at, expires_at)) where emptied_at is null;
create index reports_to_forget on orderwheel.reports (coalesce(expires_at, requested_at)) where emptied_at is not null;
comment on index orderwheel.reports_of_key is 'What a key waits for and what it keeps, when it asks for another.';
comment on index orderwheel.reports_to_empty is 'Whose pieces upkeep deletes next; by null, those that were not made yet.';
comment on index orderwheel.reports_to_forget is 'Which rows upkeep deletes next.';
