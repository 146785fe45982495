import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { forgetPerson } from '#forget/forget-person.ts'
import { exampleOrder } from '#messages/example-order.ts'

import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

let shop: StuckShop
beforeAll(async () => {
  shop = await openStuckShop(['erp'])
})
afterAll(() => shop.close())

const email = 'jo.li@example.com'
const said =
  'C-7 (Li, Jo) of Zürich-Oerlikon, 8050, rang: Oerlikon branch of erp AG, door code 4711, red ribbon'
// Not as a part of a digest, a key, an id or a time, which are random.
const traces = /C-7\b|\bLi\b|\bJo\b|Zürich|Oerlikon|(?<![\da-f.-])(8050|4711)(?![\da-f-])|ribbon/

test('what was said about a person’s own orders keeps neither customer id nor parts of name, street or city', async () => {
  const order = await placeLetter()
  await gossip(order)
  const about = [order.orderId, ...order.messageIds]

  const done = await forgetPerson(shop.db, {
    person: { email, customerId: 'C-7' },
    who: 'eva',
    reason: 'Jo Li (C-7) of Oerlikon asked for it',
    evenOpen: true,
    dryRun: false,
  })

  expect(done).toMatchObject({ orders: 1, refusedCount: 0 })
  expect(await findTraces()).toEqual([])
  const { rows } = await shop.pool.query(
    `select reason, details from orderwheel.audit_log where subject = any($1) and action = 'delivery.tried-again'`,
    [about],
  )
  // Their company is called like the target; what was done to which delivery is still written there.
  expect(rows).toEqual([
    {
      reason: '# (#, #) of #, #, rang: # branch of #, door code #, #',
      details: {
        target: 'erp',
        messageId: order.messageIds[0],
        before: 'dead',
        after: 'queued',
        released: [{ target: 'erp', messageId: order.messageIds[0], kind: 'order.placed' }],
        heard: '# (#, #) of #, #, rang: # branch of #, door code #, #',
      },
    },
  ])
})

async function placeLetter() {
  const order = await shop.placeOrder([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])
  const document = exampleOrder(order.externalId)
  const address = {
    ...document.billingAddress,
    name: 'Jo Li',
    company: 'erp AG',
    line1: 'Oerlikon 4',
    city: 'Zürich-Oerlikon',
    postalCode: '8050',
  }
  const [item, ...items] = document.items
  await shop.pool.query(
    `update orderwheel.orders set document = $2, idempotency_key = 'cart-C-7' where id = $1`,
    [
      order.orderId,
      {
        ...document,
        customer: { id: 'C-7', email, name: 'Jo Li' },
        billingAddress: address,
        items: [{ ...item, attributes: { wrap: 'red ribbon' } }, ...items],
        metadata: { door: '4711' },
      },
    ],
  )
  return order
}

async function gossip({ orderId, messageIds }: { orderId: string; messageIds: string[] }) {
  const [messageId] = messageIds
  const answer = { status: 422, code: 'C-7', text: said, headers: { x: said } }
  await shop.pool.query(
    `insert into orderwheel.audit_log (who, action, subject, reason, details)
     values ('eva', 'delivery.tried-again', $1, $2, $3)`,
    [
      orderId,
      said,
      {
        target: 'erp',
        messageId,
        before: 'dead',
        after: 'queued',
        released: [{ target: 'erp', messageId, kind: 'order.placed' }],
        heard: said,
      },
    ],
  )
  await shop.pool.query(
    `update orderwheel.dead_letters set reason = $2, comment = $2, attempts = $3 where order_id = $1`,
    [orderId, said, JSON.stringify([{ number: 1, reason: said, answer }])],
  )
  await shop.pool.query(
    `insert into orderwheel.delivery_attempts (message_id, target, number, started_at, outcome, reason, answer, worker)
     values ($1, 'erp', 1, now(), 'give-up', $2, $3, 'host:1')`,
    [messageId, said, answer],
  )
  await shop.pool.query(
    `insert into orderwheel.replay_items (replay_id, position, letter_id, state, result, worked_off_at)
     select $2, 1, id, 'refused', $3, now() from orderwheel.dead_letters where order_id = $1`,
    [orderId, randomUUID(), `It was discarded by eva: ${said}`],
  )
}

/** Every table of ours, as text. */
async function findTraces(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ name: string }>(`
    select relname as name from pg_class
     where relnamespace = 'orderwheel'::regnamespace and relkind = 'r'`)
  const found = await Promise.all(
    rows.map(async ({ name }) => {
      const dump = await shop.pool.query<{ row: string }>(
        `select t::text as row from orderwheel.${name} t`,
      )
      return dump.rows.filter(({ row }) => traces.test(row)).map(({ row }) => `${name}: ${row}`)
    }),
  )
  return found.flat()
}
