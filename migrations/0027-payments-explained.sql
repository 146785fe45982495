-- Names and comments for what holds for a payment, and one index for both who look for an order's payment by its number.

alter table orderwheel.payments rename constraint payments_check to payments_settled;
alter table orderwheel.payments rename constraint payments_check1 to payments_token;
alter table orderwheel.payments rename constraint payments_check2 to payments_claimed;
alter table orderwheel.payments rename constraint payments_check3 to payments_charged;
comment on constraint payments_settled on orderwheel.payments is 'What is known was settled at some time.';
comment on constraint payments_token on orderwheel.payments is 'What the card was charged with is kept until that is known, and no longer.';
comment on constraint payments_claimed on orderwheel.payments is 'Nobody asks about what is known.';
comment on constraint payments_charged on orderwheel.payments is 'What was charged has the gateway''s number.';

create index payments_number on orderwheel.payments (external_id, order_id);
drop index orderwheel.payments_declined;
comment on index orderwheel.payments_number is 'Finds a declined order by the number that it gave up, and an order''s payment for its story.';
