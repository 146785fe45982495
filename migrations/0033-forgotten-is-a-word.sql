-- What is left of a reason when its order is forgotten is the word `forgotten`. It is also what is left of the person's name,
-- so that the views had # for it, as if somebody's name had been in there still.

create or replace function orderwheel.without_person(words text, document jsonb) returns text
  language sql immutable parallel safe
begin atomic
  select case when words = 'forgotten' then words when words is not null then
    regexp_replace(orderwheel.without_texts(words, array(
      select t from orderwheel.personal_texts(document) t
      union
      select part from unnest(array[document #>> '{customer,name}', document #>> '{billingAddress,name}',
                                    document #>> '{shippingAddress,name}']) name,
                       regexp_split_to_table(name, '\s+') part
       where length(part) >= 3)), '\S*@\S*', '#', 'g') end;
end;

comment on table orderwheel.orders is 'What the storefront sent, validated, stored once. Rewritten once its payment is known (see payments), and by orderwheel forget. Kept until you delete it.';
comment on column orderwheel.orders.external_id is 'The storefront''s order number. A declined order gave it up, so that the buyer can try again: payments.external_id has it.';
