-- Orders whose payment is not known yet can be cancelled: their cancellation is held until it is. The outbox is locked for
-- no longer than it takes to change a constraint that is not checked for the rows that are there, which met a stricter one.

alter table orderwheel.outbox drop constraint outbox_check;
alter table orderwheel.outbox add constraint outbox_check
  check ((refusals = 0) = (refusal is null) and (refusals = 0 or try_after is not null)) not valid;
comment on constraint outbox_check on orderwheel.outbox is 'A refused message says how often, why, and when it is tried again.';
comment on column orderwheel.outbox.try_after is 'When the relay tries a refused message again; infinity: it is held until it is known whether its order was paid; null: neither. Later messages of the same order wait meanwhile.';
comment on column orderwheel.payments.try_after is 'When a relay asks the gateway again, if it is still pending; infinity: by itself it does not, a person decides (orderwheel payments).';
comment on column orderwheel.deliveries.ask_first is 'Whether an attempt may have reached the target, and nobody has asked it since: its lookup, if it has one, is asked before it is called again.';
