import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { deleteOldOrders } from '#upkeep/delete-old-orders.ts'
import { forgetOldRecords } from '#upkeep/forget-old-rows.ts'

import { type AuditedShop, openAuditedShop, tamper, tellOrders } from '../support/audited-shop.ts'

let shop: AuditedShop
beforeAll(async () => {
  shop = await openAuditedShop(3)
  // The chain has an entry of each kind.
  const email = exampleOrder('WEB-1').customer.email
  await shop.pool.query(
    `insert into orderwheel.audit_log (who, action, subject, reason) values ('eva', 'a', 's', $1)`,
    [email],
  )
  await forgetPerson(shop.db, request(email))
  await tellOrders(shop, 2)
  await shop.pool.query(
    `insert into orderwheel.audit_log (at, who, action, subject) values (now() - interval '3 days', 'eva', 'a', 's')`,
  )
  await forgetOldRecords(shop.db, 2)
})
afterAll(() => shop.close())

// What a test broke is put back.
let mended: string[] = []
afterEach(async () => {
  for (const statement of mended) await tamper(shop, statement)
  mended = []
  const { findings } = await verifyChain(shop.db)
  if (findings.length > 0) throw new Error(`Left as it was: ${JSON.stringify(findings)}`)
})

function request(email: string) {
  return {
    person: { email, customerId: null },
    who: 'eva',
    reason: 'asked',
    evenOpen: false,
    dryRun: false,
  }
}

async function findKinds(): Promise<string[]> {
  const { findings } = await verifyChain(shop.db)
  return findings.map(({ kind, position }) => `${kind} ${position ?? ''}`.trim())
}

const kinds = ['begun', 'action', 'masked', 'told', 'forgotten', 'removed']

test('there is an entry of each kind, and all are as they were entered', async () => {
  const { rows } = await shop.pool.query<{ kind: string }>(
    'select distinct kind from orderwheel.audit_chain order by kind',
  )
  expect(rows.map(({ kind }) => kind)).toEqual(kinds.toSorted())
  const report = await verifyChain(shop.db)
  expect(report).toMatchObject({
    found: 0,
    gone: { 'records-removed': 1, 'records-masked': 1, 'orders-removed': 0, 'orders-forgotten': 3 },
  })
})

const changes: Record<string, string> = {
  at: `at + interval '1 microsecond'`,
  kind: `case kind when 'begun' then 'told' else 'begun' end`,
  record: 'case when record is null then gen_random_uuid() end',
  details: `details || '{"total": 1}'`,
  digest: `sha256(coalesce(digest, ''))`,
  previous: 'sha256(previous)',
  hash: 'sha256(hash)',
}

test.for(kinds.flatMap((kind) => Object.keys(changes).map((column) => ({ kind, column }))))(
  'who changes $column of an entry of kind $kind is found out',
  async ({ kind, column }) => {
    const { rows } = await shop.pool.query<{ position: string; was: string }>(
      `select position, ${column}::text as was from orderwheel.audit_chain where kind = $1 order by position limit 1`,
      [kind],
    )
    const { position = '', was } = rows[0] ?? {}
    await tamper(
      shop,
      `update orderwheel.audit_chain set ${column} = ${changes[column]} where position = ${position}`,
    )
    mended = [
      `update orderwheel.audit_chain set ${column} = ${was === null || was === undefined ? 'null' : `'${was}'`} where position = ${position}`,
    ]

    const found = await findKinds()

    expect(found).toContain(`entry-changed ${position}`)
    // Nobody else is blamed but who follows it, and what it is about.
    const near = [position, String(Number(position) + 1)]
    expect(
      found
        .filter((one) => /^(entry|chain)/.test(one))
        .every((one) => near.includes(one.split(' ')[1] ?? '')),
    ).toBe(true)
  },
)

test('an entry whose hash is made to fit its change is found by what follows it', async () => {
  await tamper(
    shop,
    `update orderwheel.audit_chain c set details = details || '{"total": 1}',
            hash = orderwheel.entry_hash((c.position, c.at, c.kind, c.record, c.details || '{"total": 1}', c.digest, c.previous, c.hash))
      where position = 4`,
  )
  mended = [
    `update orderwheel.audit_chain set details = details || '{"total": 46350}' where position = 4`,
    `update orderwheel.audit_chain c set hash = orderwheel.entry_hash(c) where position = 4`,
  ]
  // Nor does the order have that total.
  expect(await findKinds()).toEqual(['order-changed 4', 'chain-broken 5'])
})

test('entries that are removed, inserted, or change places are named', async () => {
  await shop.pool.query('create table kept as select * from orderwheel.audit_chain')
  mended = [
    'delete from orderwheel.audit_chain',
    'insert into orderwheel.audit_chain select * from kept',
    'drop table kept',
  ]
  await tamper(shop, 'delete from orderwheel.audit_chain where position in (4, 5)')
  expect(await findKinds()).toEqual(['entry-missing 6'])
  await tamper(
    shop,
    `insert into orderwheel.audit_chain select 4, at, kind, record, details, digest, previous, hash from orderwheel.audit_chain where position = 6`,
  )
  expect(await findKinds()).toEqual(['entry-changed 4', 'chain-broken 4', 'entry-missing 6'])
  await tamper(shop, 'delete from orderwheel.audit_chain')
  await tamper(
    shop,
    `insert into orderwheel.audit_chain
     select case position when 4 then 5 when 5 then 4 else position end, at, kind, record, details, digest, previous, hash from kept`,
  )
  expect(await findKinds()).toEqual(
    [
      'entry-changed 4',
      'chain-broken 4',
      'salt-removed 4',
      'entry-changed 5',
      'chain-broken 5',
      'salt-removed 5',
      'chain-broken 6',
    ].filter((one) => !one.startsWith('salt')),
  )
})

test('a chain whose end is cut off, or that is emptied, betrays itself by what is left', async () => {
  await shop.pool.query('create table kept as select * from orderwheel.audit_chain')
  mended = [
    'delete from orderwheel.audit_chain',
    'insert into orderwheel.audit_chain select * from kept',
    'drop table kept',
  ]
  await tamper(
    shop,
    `delete from orderwheel.audit_chain where position >= (select min(position) from orderwheel.audit_salts)`,
  )
  expect(await findKinds()).toEqual([expect.stringMatching(/^entry-missing \d+$/)])
  await tamper(shop, 'delete from orderwheel.audit_chain')
  expect(await findKinds()).toContain('record-inserted')
})

const recordChanges: Record<string, string> = {
  at: `at + interval '1 second'`,
  who: `'mallory'`,
  action: `'target.paused'`,
  subject: `'other'`,
  reason: `'because'`,
  details: `'{"x": 1}'`,
  salt: 'gen_random_uuid()',
  kept_salt: 'gen_random_uuid()',
}

test.for(Object.keys(recordChanges))(
  'who changes %s of what somebody did is found out, even with the trigger there',
  async (column) => {
    await shop.pool.query('create table kept as select * from orderwheel.audit_log')
    mended = [
      'delete from orderwheel.audit_log',
      'insert into orderwheel.audit_log select * from kept',
      'drop table kept',
    ]
    await shop.pool.query(
      `update orderwheel.audit_log set ${column} = ${recordChanges[column]} where action = 'target.resumed'`,
    )
    expect(await findKinds()).toEqual(['record-changed 3'])
  },
)

test('what somebody did that is removed or made up is named', async () => {
  await shop.pool.query('create table kept as select * from orderwheel.audit_log')
  mended = [
    'delete from orderwheel.audit_log',
    'insert into orderwheel.audit_log select * from kept',
    'drop table kept',
  ]
  await shop.pool.query(`delete from orderwheel.audit_log where action = 'target.resumed'`)
  expect(await findKinds()).toEqual(['record-removed 3'])
  await tamper(
    shop,
    `insert into orderwheel.audit_log (at, who, action, subject) values ('2001-01-01', 'a', 'b', 'c')`,
  )
  expect(await findKinds()).toEqual(['record-removed 3', 'record-inserted'])
})

test('the retention cannot be named as an excuse for what is a day old', async () => {
  await shop.pool.query('create table kept as select * from orderwheel.audit_log')
  mended = [
    'delete from orderwheel.audit_log',
    'insert into orderwheel.audit_log select * from kept',
    'drop table kept',
    'delete from orderwheel.audit_chain where position = (select max(position) from orderwheel.audit_chain)',
  ]
  await shop.pool.query(`delete from orderwheel.audit_log where action = 'target.resumed'`)
  await shop.pool.query(`select orderwheel.chain_removed('audit_log', now(), 1)`)
  expect(await findKinds()).toEqual([
    'record-removed 3',
    expect.stringMatching(/^removal-too-young/),
  ])
})

test('an order or a salt that is removed is named; what is hostile in an entry stops nothing', async () => {
  const last = shop.pool.query<{ position: string; record: string }>(
    `select position, record from orderwheel.audit_chain where kind = 'told' order by position desc limit 1`,
  )
  const { position = '', record = '' } = (await last).rows[0] ?? {}
  await shop.pool.query(`create table kept as select * from orderwheel.audit_salts`)
  await shop.pool.query(`create table kept_order as select * from orderwheel.orders`)
  mended = [
    'delete from orderwheel.audit_salts',
    'insert into orderwheel.audit_salts select * from kept',
    `insert into orderwheel.orders select * from kept_order on conflict do nothing`,
    'drop table kept, kept_order',
  ]
  await shop.pool.query(`delete from orderwheel.audit_salts where position = ${position}`)
  expect(await findKinds()).toEqual([`salt-removed ${position}`])
  await tamper(shop, `delete from orderwheel.orders where id = '${record}'`)
  expect(await findKinds()).toEqual([`order-removed ${position}`])

  const { rows } = await shop.pool.query<{ details: string }>(
    `select details::text from orderwheel.audit_chain where position = ${position}`,
  )
  mended.push(
    `update orderwheel.audit_chain set details = '${rows[0]?.details}' where position = ${position}`,
  )
  for (const details of [
    '[1]',
    '"text"',
    'null',
    '{"message": "no uuid", "until": "never", "externalId": "\\u001b[31m"}',
  ]) {
    await tamper(
      shop,
      `update orderwheel.audit_chain set details = '${details}' where position = ${position}`,
    )
    expect(await findKinds()).toEqual([`entry-changed ${position}`, `order-removed ${position}`])
  }
})

test('nobody changes, removes or empties the chain by an ordinary statement', async () => {
  for (const statement of [
    'update orderwheel.audit_chain set at = now()',
    'delete from orderwheel.audit_chain where position = 2',
    'truncate orderwheel.audit_chain',
  ])
    await expect(shop.pool.query(statement)).rejects.toThrow(
      /audit_chain is append-only: (update|delete|truncate) is refused/,
    )
})

test('orders that the retention deletes are missed by nobody, and those that somebody else deletes are', async () => {
  const own = await openAuditedShop(2)
  try {
    const [first, second] = own.placed
    // An order's age is in its id.
    const old = '01800000-0000-7000-8000-000000000001'
    await tamper(own, `update orderwheel.orders set id = '${old}' where id = '${first?.orderId}'`)
    for (const table of ['deliveries', 'messages', 'audit_salts'])
      await tamper(
        own,
        `update orderwheel.${table} set order_id = '${old}' where order_id = '${first?.orderId}'`,
      )
    await tamper(
      own,
      `update orderwheel.audit_chain set record = '${old}' where record = '${first?.orderId}'`,
    )
    await tamper(
      own,
      `do $$ declare e orderwheel.audit_chain; p bytea; begin
      for e in select * from orderwheel.audit_chain order by position loop
        e.previous := coalesce(p, e.previous); p := orderwheel.entry_hash(e);
        update orderwheel.audit_chain set previous = e.previous, hash = p where position = e.position;
      end loop; end $$`,
    )
    expect(await verifyChain(own.db)).toMatchObject({ found: 0 })

    await deleteOldOrders(own.db, { days: 30, signal: new AbortController().signal })
    expect(await verifyChain(own.db)).toMatchObject({ found: 0, gone: { 'orders-removed': 1 } })
    await own.pool.query(`delete from orderwheel.orders where id = $1`, [second?.orderId])
    expect(await verifyChain(own.db)).toMatchObject({
      findings: [{ kind: 'order-removed', record: second?.orderId }],
    })
  } finally {
    await own.close()
  }
})

test('many who append at once continue one another', async () => {
  const own = await openAuditedShop(0)
  try {
    await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        own.pool.query(
          `insert into orderwheel.audit_log (who, action, subject) select 'eva', 'a', 's' || n from generate_series(1, ${(n % 3) + 1}) n`,
        ),
      ),
    )
    expect(await verifyChain(own.db)).toMatchObject({ found: 0, entries: 3 + 120 })
  } finally {
    await own.close()
  }
})

test('what is rolled back is in no entry, and leaves no gap', async () => {
  const own = await openAuditedShop(0)
  const client = await own.pool.connect()
  try {
    await client.query(
      `begin; insert into orderwheel.audit_log (who, action, subject) values ('eva', 'a', 's')`,
    )
    // Nobody waits for a transaction that has not come to its end.
    await own.pool.query(
      `insert into orderwheel.audit_log (who, action, subject) values ('bob', 'a', 's')`,
    )
    await client.query('rollback')
    expect(await verifyChain(own.db)).toMatchObject({ found: 0, entries: 4 })
  } finally {
    client.release()
    await own.close()
  }
})
