select exists (select from orderwheel.outbox where try_after is null)
or exists (select from orderwheel.outbox where try_after <= now()) as due;
