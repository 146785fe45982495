import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { decideDelivery } from '#deliveries/decide-delivery.ts'
import type { Decision } from '#deliveries/decision.ts'
import { endJobs, takeJobs } from '#queues/jobs.ts'

import { actAtOnce } from '../support/act-at-once.ts'
import { eventually } from '../support/eventually.ts'
import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'

let shop: StuckShop

beforeAll(async () => {
  shop = await openStuckShop(['erp', 'stock', 'email', 'loyalty'])
})
afterAll(() => shop.close())

const cancelledLater = [
  {
    kind: 'order.placed',
    deliveries: { erp: 'dead', email: 'waiting', stock: 'delivered' },
    after: { email: ['erp', 'stock'] },
  },
  { kind: 'order.cancelled', deliveries: { erp: 'waiting', stock: 'delivered' } },
] as const

test.each([
  ['mark-delivered', 'delivered', 'discarded', 'marked as delivered: seen in the ERP'],
  ['skip', 'skipped', 'discarded', 'seen in the ERP'],
] as const)(
  'to %s a dead letter closes it and releases what waited for it',
  async (decision, state, resolution, comment) => {
    const order = await place(cancelledLater)

    expect(await decide(order, decision)).toEqual({
      kind: 'decided',
      before: 'dead',
      state,
      released: [
        { target: 'email', messageId: order.messageIds[0], kind: 'order.placed' },
        { target: 'erp', messageId: order.messageIds[1], kind: 'order.cancelled' },
      ],
    })

    expect(await states(order)).toEqual({
      'order.placed email': 'queued',
      'order.placed erp': state,
      'order.placed stock': 'delivered',
      'order.cancelled erp': 'queued',
      'order.cancelled stock': 'delivered',
    })
    expect(await jobs(order, 'created')).toEqual(['email', 'erp'])
    expect(await deadCopies(order)).toBe(0)
    expect(await deadLetter(order)).toEqual({ resolution, resolved_by: 'eva', comment })
    expect(await audit(order)).toEqual([
      {
        who: 'eva',
        action: decision === 'skip' ? 'delivery.skipped' : 'delivery.marked-delivered',
        reason: 'seen in the ERP',
        details: expect.objectContaining({ target: 'erp', before: 'dead', after: state }),
      },
    ])
  },
)

test('a dead letter that is tried again has a job of the same id, all its attempts, and may die again', async () => {
  const order = await place(cancelledLater)

  const decided = await decide(order, 'try-again')

  expect(decided).toEqual({ kind: 'decided', before: 'dead', state: 'queued', released: [] })
  expect(await row(order)).toMatchObject({
    state: 'queued',
    settled_at: null,
    attempts: 3,
    uncharged: 3,
    ask_first: false,
  })
  expect(await deadLetter(order)).toMatchObject({ resolution: 'replayed', resolved_by: 'eva' })
  expect(await deadCopies(order)).toBe(0)
  expect((await states(order))['order.placed email']).toBe('waiting')

  const again = await fetchJob()
  expect(again.id).toBe(order.messageIds[0])
  await end(again, { kind: 'end', bury: jobOf(order) })
  expect(await deadCopies(order)).toBe(1)
})

test('an uncertain delivery that is tried again is looked up at its target first', async () => {
  const order = await place([{ kind: 'order.placed', deliveries: { erp: 'uncertain' } }])

  await decide(order, 'try-again')

  expect(await row(order)).toMatchObject({ state: 'queued', ask_first: true })
  expect((await fetchJob()).id).toBe(order.messageIds[0])
})

test('a job that retention has deleted long ago is made anew', async () => {
  const order = await place([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])
  await shop.pool.query(`delete from pgboss.job where id = $1`, [order.messageIds[0]])

  await decide(order, 'try-again')

  const job = await fetchJob()
  expect(job.id).toBe(order.messageIds[0])
  // The next attempt is the one after the last, and no lost one lies between them.
  expect(job.retryCount - Number((await row(order)).last_fetch)).toBe(1)
})

test('a worker that wakes up after somebody decided cannot settle the new attempt', async () => {
  const order = await place([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])
  const frozen = [0, 1, 2].map((retryCount) => ({ id: order.messageIds[0] ?? '', retryCount }))

  await decide(order, 'try-again')
  const held = await fetchJob()

  for (const job of frozen) expect(await end(job, { kind: 'end' })).toEqual(new Set())
  expect(await end(held, { kind: 'end' })).toEqual(new Set([held.id]))
})

test('of two people who decide at once one wins, and the other is told the state', async () => {
  const order = await place(cancelledLater)

  const both = await actAtOnce(shop, {
    lock: `select from orderwheel.deliveries where order_id = '${order.orderId}' for update`,
    acts: [() => decide(order, 'skip'), () => decide(order, 'try-again', { who: 'tom' })],
  })

  const [won] = both.filter(({ kind }) => kind === 'decided')
  const [lost] = both.filter(({ kind }) => kind === 'refused')
  expect(lost).toEqual({ kind: 'refused', state: won && 'state' in won ? won.state : undefined })
  expect(await audit(order)).toHaveLength(1)
})

test('two people who settle at once what a third delivery waits for release it', async () => {
  const order = await place([
    {
      kind: 'order.placed',
      deliveries: { erp: 'dead', stock: 'uncertain', email: 'waiting' },
      after: { email: ['erp', 'stock'] },
    },
  ])
  const mark = (target: string) => () => decide(order, 'mark-delivered', { target })

  const both = await actAtOnce(shop, {
    lock: `select from orderwheel.deliveries where order_id = '${order.orderId}' for update`,
    acts: [mark('erp'), mark('stock')],
  })

  const released = both.flatMap((decided) => (decided.kind === 'decided' ? decided.released : []))
  expect(released).toEqual([expect.objectContaining({ target: 'email' })])
  expect(await jobs(order, 'created')).toEqual(['email'])
})

test.each(['waiting', 'queued', 'retrying', 'delivered', 'skipped'] as const)(
  'a delivery that is %s is not to be decided on',
  async (state) => {
    const order = await place([{ kind: 'order.placed', deliveries: { erp: state } }])

    expect(await decide(order, 'try-again')).toEqual({ kind: 'refused', state })
    expect((await row(order)).state).toBe(state)
    expect(await audit(order)).toEqual([])
  },
)

test('a delivery that does not exist is refused', async () => {
  const order = await place([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])

  const request = {
    messageId: order.messageIds[0] ?? '',
    target: 'stock',
    who: 'eva',
    reason: null,
  }
  expect(await decideDelivery(shop, { ...request, decision: 'skip' })).toEqual({
    kind: 'refused',
    state: null,
  })
})

test('workers of the targets that got jobs are woken', async () => {
  const order = await place(cancelledLater)
  const client = new pg.Client(shop.connection)
  await client.connect()
  const heard: (string | undefined)[] = []
  client.on('notification', ({ payload }) => heard.push(payload))
  await client.query('listen orderwheel_jobs')

  try {
    await decide(order, 'mark-delivered')
    await eventually(() => heard.length > 0)
  } finally {
    await client.end()
  }

  expect(heard).toEqual(['email,erp'])
})

test('a message of the order that is relayed while somebody decides waits for nothing afterwards', async () => {
  const order = await place([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])
  const relay = new pg.Client(shop.connection)
  await relay.connect()
  try {
    // As the relay does: lock what is in the way, then add what waits for it.
    await relay.query('begin')
    await relay.query(`select from orderwheel.deliveries where order_id = $1 for update`, [
      order.orderId,
    ])
    const deciding = decide(order, 'mark-delivered')
    await eventually(async () => {
      const { rows } = await shop.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rows.length
    })
    const made = await relay.query<{ id: string }>('select uuidv7() as id')
    const later = made.rows[0]?.id ?? ''
    await relay.query(
      `insert into orderwheel.messages (id, position, order_id, kind, payload, created_at)
       values ($2, 2, $1, 'order.cancelled', '{}', now())`,
      [order.orderId, later],
    )
    await relay.query(
      `insert into orderwheel.deliveries (message_id, target, position, order_id, state)
       values ($2, 'erp', 2, $1, 'waiting')`,
      [order.orderId, later],
    )
    await relay.query('commit')

    expect(await deciding).toMatchObject({ released: [{ target: 'erp', messageId: later }] })
  } finally {
    await relay.end()
  }
})

type Order = Awaited<ReturnType<StuckShop['placeOrder']>>

test.each([
  ['dead', 'this letter', { sku: 'IPOD-BLUE' }],
  ['dead', 'an earlier letter, and sent', null],
  ['uncertain', 'an earlier letter, and sent', { sku: 'IPOD-BLUE' }],
] as const)('a %s delivery that is tried again, with what was edited for %s', async (...given) => {
  const [state, when, sent] = given
  const order = await place([{ kind: 'order.placed', deliveries: { erp: state } }])
  await shop.pool.query(
    `update orderwheel.deliveries d
        set edited = '{"sku": "IPOD-BLUE"}',
            edited_for = coalesce((select id from orderwheel.dead_letters l
                                    where l.message_id = d.message_id and $2), uuidv7())
      where message_id = $1`,
    [order.messageIds[0], when === 'this letter'],
  )

  await decide(order, 'try-again')

  expect(await row(order)).toMatchObject({ state: 'queued', edited: sent })
})

async function place(messages: Parameters<StuckShop['placeOrder']>[0]): Promise<Order> {
  // So that the next job fetched is this order's.
  await shop.pool.query(`delete from pgboss.job`)
  return shop.placeOrder(messages)
}

function decide(
  { messageIds: [messageId = ''] }: Order,
  decision: Decision,
  { who = 'eva', target = 'erp' } = {},
) {
  const reason = 'seen in the ERP'
  return decideDelivery(shop, { messageId, target, decision, who, reason })
}

function jobOf({ orderId, messageIds: [messageId = ''] }: Order) {
  return { messageId, orderId, kind: 'order.placed' }
}

async function fetchJob() {
  const { db, boss } = shop
  const [job] = await db
    .transaction()
    .execute((tx) => takeJobs(tx, boss, { queue: 'erp', count: 10 }))
  if (!job) throw new Error('There is no job to be fetched.')
  return job
}

function end(
  job: { id: string; retryCount: number },
  how: Parameters<typeof endJobs>[2]['ends'][number]['end'],
) {
  const { db, boss } = shop
  return db
    .transaction()
    .execute((tx) => endJobs(tx, boss, { queue: 'erp', ends: [{ job, end: how }] }))
}

async function row({ messageIds }: Order) {
  const { rows } = await shop.pool.query(
    `select * from orderwheel.deliveries where message_id = $1 and target = 'erp'`,
    [messageIds[0]],
  )
  return rows[0] as Record<string, unknown>
}

async function states({ orderId }: Order): Promise<Record<string, string>> {
  const { rows } = await shop.pool.query<{ what: string; state: string }>(
    `select m.kind || ' ' || d.target as what, d.state from orderwheel.deliveries d
       join orderwheel.messages m on m.id = d.message_id where d.order_id = $1`,
    [orderId],
  )
  return Object.fromEntries(rows.map(({ what, state }) => [what, state]))
}

async function jobs({ orderId }: Order, state: string): Promise<string[]> {
  const { rows } = await shop.pool.query<{ name: string }>(
    `select name from pgboss.job where data->>'orderId' = $1 and state::text = $2 order by name`,
    [orderId, state],
  )
  return rows.map(({ name }) => name)
}

async function deadCopies({ messageIds }: Order): Promise<number> {
  const { rowCount } = await shop.pool.query(
    `select from pgboss.job where name = 'erp.dead' and id = $1`,
    [messageIds[0]],
  )
  return rowCount ?? 0
}

async function deadLetter({ orderId }: Order) {
  const { rows } = await shop.pool.query(
    `select resolution, resolved_by, comment from orderwheel.dead_letters where order_id = $1`,
    [orderId],
  )
  return rows[0] as unknown
}

async function audit({ orderId }: Order) {
  const { rows } = await shop.pool.query(
    `select who, action, reason, details from orderwheel.audit_log where subject = $1`,
    [orderId],
  )
  return rows as unknown[]
}
