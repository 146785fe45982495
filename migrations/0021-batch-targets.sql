comment on column orderwheel.targets.kind is 'How it is told: http, batch, email, webhook or custom; or made: receipt.';
