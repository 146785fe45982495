-- Lists of a million dead letters are written in one statement, while an operator waits: a foreign key asked for the same
-- row of replays a million times, and took two thirds of that time. A trigger does what it was for.

alter table orderwheel.replay_items drop constraint replay_items_replay_id_fkey;
create function orderwheel.delete_items_of_replays() returns trigger language plpgsql as $$
begin
  delete from orderwheel.replay_items i using gone where i.replay_id = gone.id;
  return null;
end
$$;
comment on function orderwheel.delete_items_of_replays() is 'What deleting a replay deletes: its list.';
create trigger delete_items after delete on orderwheel.replays
  referencing old table as gone for each statement execute function orderwheel.delete_items_of_replays();
comment on trigger delete_items on orderwheel.replays is 'A list goes with its replay.';

-- A list is worked off in its order, so that its next place is known. What has to be found is whether a letter is in one.
drop index orderwheel.replay_items_waiting;
create index replay_items_waiting on orderwheel.replay_items (letter_id) where state = 'waiting';
comment on index orderwheel.replay_items_waiting is 'Whether a letter is in a list that is still to be worked off.';
