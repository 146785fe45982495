import { afterEach, beforeEach, expect, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { exampleOrder } from '#messages/example-order.ts'

import { type AuditedShop, openAuditedShop, tamper } from '../support/audited-shop.ts'
import { testDatabase } from '../support/test-database.ts'

const { email } = exampleOrder('WEB-1').customer

let shop: AuditedShop
beforeEach(async () => {
  shop = await openAuditedShop(2)
  await shop.pool.query(
    `insert into orderwheel.audit_log (who, action, subject, reason) values ('eva', 'delivery.skipped', 'x', $1)`,
    [`${email} called`],
  )
})
afterEach(() => shop.close())

function forget() {
  const person = { email, customerId: null }
  return forgetPerson(shop.db, {
    person,
    who: 'eva',
    reason: 'asked',
    evenOpen: false,
    dryRun: false,
  })
}

/** Entries whose digest somebody finds who knows all that was forgotten, and has the whole database. */
async function guess(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ kind: string }>(`
    select c.kind from orderwheel.audit_chain c
     where exists (select from known_log k, (select salt from orderwheel.audit_log union select salt from orderwheel.audit_salts) s
                    where orderwheel.record_digest((k.id, k.at, k.who, k.action, k.subject, k.reason, k.details, s.salt, null)) = c.digest
                      and k.reason like '%called')
        or exists (select from known_orders k, orderwheel.audit_salts s
                    where orderwheel.salted_digest(s.salt, k.document::text) = c.digest)
     order by c.position`)
  return rows.map(({ kind }) => kind)
}

test('after forgetting nobody can guess from the chain what was said, and it is still proven', async () => {
  await shop.pool.query(`
    create table known_log as select * from orderwheel.audit_log;
    create table known_orders as select * from orderwheel.orders`)
  expect(await guess()).toEqual(['told', 'told', 'action'])

  await forget()

  expect(await guess()).toEqual([])
  expect(await verifyChain(shop.db)).toMatchObject({
    found: 0,
    gone: { 'records-masked': 1, 'orders-forgotten': 2 },
  })
  const { rows } = await shop.pool.query(
    `select kind, count(*)::int from orderwheel.audit_chain where kind in ('masked', 'forgotten') group by kind order by kind`,
  )
  expect(rows).toEqual([
    { kind: 'forgotten', count: 2 },
    { kind: 'masked', count: 1 },
  ])
})

test('what forgetting left is proven as well', async () => {
  await forget()
  await shop.pool.query(`update orderwheel.audit_log set who = 'mallory' where subject = 'x'`)
  await shop.pool.query(
    `update orderwheel.orders set document = jsonb_set(document, '{totals,total}', '1') where id = $1`,
    [shop.placed[0]?.orderId],
  )
  const { findings } = await verifyChain(shop.db)
  expect(findings.map(({ kind }) => kind).toSorted()).toEqual([
    'order-changed',
    'order-changed',
    'record-changed',
  ])
})

test('restored from a dump, the chain is the same and as proven', async () => {
  await forget()
  const original = await verifyChain(shop.db)
  const copy = await testDatabase()
  try {
    for (const table of ['audit_chain', 'audit_log', 'audit_salts', 'orders', 'forgettings']) {
      const { rows } = await shop.pool.query<{ row: string }>(
        `select row_to_json(t)::text as row from orderwheel.${table} t`,
      )
      await tamper(copy, `delete from orderwheel.${table}`)
      const json = `[${rows.map(({ row }) => row).join()}]`.replaceAll("'", "''")
      await tamper(
        copy,
        `insert into orderwheel.${table} select * from json_populate_recordset(null::orderwheel.${table}, '${json}')`,
      )
    }
    expect(await verifyChain(copy.db)).toEqual(original)
    const { rows } = await copy.pool.query(
      `insert into orderwheel.audit_log (who, action, subject) values ('eva', 'a', 's') returning id`,
    )
    expect(rows).toHaveLength(1)
    const { tip } = original
    expect(
      await verifyChain(copy.db, { expect: { hash: tip?.hash ?? '', position: null } }),
    ).toMatchObject({ found: 0, entries: original.entries + 1, isExpectedThere: true })
  } finally {
    await copy.close()
  }
})
