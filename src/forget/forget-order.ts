import { sql } from 'kysely'

import { sinceOrders } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'
import type { Order } from '#messages/order.ts'

import { forgetDocument } from './forget-document.ts'
import { giveUpOpen } from './give-up-open.ts'
import { ownWords } from './own-words.ts'
import { isRefused, readOpen, type RefusedOrder } from './read-open.ts'
import { sayForgetting } from './say-forgetting.ts'

export type ForgetOrder = { orderId: string; forgettingId: string; who: string; evenOpen: boolean }

/**
 * Removes the personal data of one order in one transaction: its document, what its messages carry, what its targets
 * answered, its dead letters, and what was said about it in the audit log. Answers what stands in the way, if anything
 * does; with `evenOpen`, targets that were not told are given up on first.
 */
export async function forgetOrder(db: Db, asked: ForgetOrder): Promise<RefusedOrder | undefined> {
  for (;;) {
    const done = await db.transaction().execute((tx) => forget(tx, asked))
    if (done !== 'again') return done
  }
}

async function forget(tx: Tx, asked: ForgetOrder): Promise<RefusedOrder | 'again' | undefined> {
  const { orderId, forgettingId, evenOpen } = asked
  const document = await lockOrder(tx, orderId)
  if (!document) return undefined
  const found = await readOpen(tx, orderId)
  if (!found) return undefined
  if (isRefused(found, evenOpen)) return found
  if (found.open.length > 0 && !(await giveUpOpen(tx, asked))) return 'again'
  const words = ownWords(document)
  await sayForgetting(tx)
  await forgetSaid(tx, orderId, words)
  await forgetTold(tx, orderId)
  await forgetSent(tx, { orderId, words, left: forgetDocument(document) })
  await forgetWhy(tx, forgettingId, words)
  // Last: it locks the audit chain's end, which others may wait for with deliveries in their hands.
  await sql`select orderwheel.chain_forgotten(${orderId})`.execute(tx)
  return undefined
}

// First of all locks, and one that lets others add messages: they will be told what is left. Of two who forget the same
// order, the second finds it done.
async function lockOrder(tx: Tx, orderId: string): Promise<Order | undefined> {
  const { rows } = await sql<{ document: Order }>`
    select document from orderwheel.orders
     where id = ${orderId} and forgotten_at is null
       for no key update`.execute(tx)
  return rows[0]?.document
}

// What people said. A decision keeps who, when and what; objects in its details are requests that somebody edited.
async function forgetSaid(tx: Tx, orderId: string, words: readonly string[]): Promise<void> {
  await sql`
    update orderwheel.audit_log a
       set reason = ${unsaid('a.reason', words)},
           details = (select coalesce(jsonb_object_agg(key, case
                                when jsonb_typeof(value) = 'object' then '"forgotten"'
                                else orderwheel.json_without_texts(jsonb_build_object(key, value), ${words}::text[]) -> key end), '{}')
                        from jsonb_each(a.details))
     where a.subject in (select ${orderId}
                         union all
                         select id::text from orderwheel.dead_letters where order_id = ${orderId}
                         union all
                         select id::text from orderwheel.messages
                          where order_id = ${orderId} and ${sinceOrders('id', [orderId])})`.execute(
    tx,
  )
  await sql`
    update orderwheel.dead_letters l
       set comment = ${unsaid('l.comment', words)}, reason = 'forgotten',
           attempts = (select coalesce(jsonb_agg(a - 'reason' - 'answer' || jsonb_build_object('answer', ${status('a')}) order by n), '[]')
                         from jsonb_array_elements(l.attempts) with ordinality as e(a, n))
     where l.order_id = ${orderId}`.execute(tx)
  await sql`
    update orderwheel.replay_items i set result = ${unsaid('i.result', words)}
      from orderwheel.dead_letters l
     where l.order_id = ${orderId} and i.letter_id = l.id and i.result is not null`.execute(tx)
}

/** SQL for a text without these words, nor anything that looks like an e-mail address. */
function unsaid(column: string, words: readonly string[]) {
  return sql`regexp_replace(orderwheel.without_texts(${sql.ref(column)}, ${words}::text[]), '\\S*@\\S*', '#', 'g')`
}

/** SQL for an attempt's answer without what was said in it. */
function status(attempt: string) {
  const answer = sql`to_jsonb(${sql.ref(attempt)}) -> 'answer'`
  return sql`case when jsonb_typeof(${answer} -> 'status') = 'number'
                  then jsonb_build_object('status', ${answer} -> 'status') end`
}

// What targets were told and answered, and what they made of it.
async function forgetTold(tx: Tx, orderId: string): Promise<void> {
  await sql`update orderwheel.messages set payload = '{}'
             where order_id = ${orderId} and ${sinceOrders('id', [orderId])} and payload <> '{}'`.execute(
    tx,
  )
  await sql`update orderwheel.payments set reason = 'forgotten' where order_id = ${orderId} and reason is not null`.execute(
    tx,
  )
  await sql`delete from orderwheel.order_files where order_id = ${orderId}`.execute(tx)
  await sql`update orderwheel.deliveries set edited = null
             where order_id = ${orderId} and ${sinceOrders('message_id', [orderId])} and edited is not null`.execute(
    tx,
  )
  await sql`
    update orderwheel.delivery_attempts a
       set reason = case when a.reason is not null then 'forgotten' end, answer = ${status('a')}
      from orderwheel.deliveries d
     where d.order_id = ${orderId} and a.message_id = d.message_id and a.target = d.target
       and ${sinceOrders('d.message_id', [orderId])} and ${sinceOrders('a.message_id', [orderId])}`.execute(
    tx,
  )
}

// A key that says who it was is no key to keep; the externalId still keeps the order from being placed again.
async function forgetSent(
  tx: Tx,
  { orderId, words, left }: { orderId: string; words: readonly string[]; left: Order },
): Promise<void> {
  await sql`
    update orderwheel.orders o
       set document = ${JSON.stringify(left)}::jsonb, forgotten_at = now(),
           idempotency_key = case when exists (
             select from orderwheel.personal_texts(o.document) t
              where position(lower(t) in lower(o.idempotency_key)) > 0)
             or o.idempotency_key <> orderwheel.without_texts(o.idempotency_key, ${words}::text[])
             then 'forgotten-' || o.id else o.idempotency_key end
     where o.id = ${orderId}`.execute(tx)
}

// Whoever asks to be forgotten is named in the reason as often as not.
async function forgetWhy(tx: Tx, forgettingId: string, words: readonly string[]): Promise<void> {
  await sql`
    update orderwheel.forgettings f set orders = orders + 1, reason = ${unsaid('f.reason', words)}
     where f.id = ${forgettingId}`.execute(tx)
  await sql`
    update orderwheel.audit_log a set reason = ${unsaid('a.reason', words)}
     where a.subject = ${forgettingId} and a.reason is distinct from ${unsaid('a.reason', words)}`.execute(
    tx,
  )
}
