-- A report that was deleted before it was made counts as one that its key waits for until its delivery is settled. Only `reports` is
-- locked, for a moment.

drop index orderwheel.reports_of_key;
create index reports_of_key on orderwheel.reports (api_key_id, expires_at) where emptied_at is null;
comment on index orderwheel.reports_of_key is 'What a key waits for and what it keeps, when it asks for another.';
comment on column orderwheel.reports.emptied_at is 'When upkeep found that nothing of it is left to delete, and nobody is on the way to make it. Null: pieces may be there, or come.';
