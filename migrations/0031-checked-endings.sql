-- Reads payments once, while everybody goes on writing.
alter table orderwheel.payments validate constraint payments_became_check;
