import { afterEach, beforeEach, expect, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'
import { forgetPerson } from '#forget/forget-person.ts'
import { exampleOrder } from '#messages/example-order.ts'

import { type AuditedShop, openAuditedShop, tamper } from '../support/audited-shop.ts'

const { email } = exampleOrder('WEB-1').customer

let shop: AuditedShop
beforeEach(async () => {
  shop = await openAuditedShop(2)
})
afterEach(() => shop.close())

test('what somebody did is not changed under the name of forgetting', async () => {
  await change(`update orderwheel.audit_log
                   set who = 'mallory', action = 'nothing.happened', reason = 'x' where subject = 'erp' and who = 'eva'`)
  expect(await findings()).toEqual(['record-changed 2', 'record-changed 6'])
})

test('not even while somebody is really being forgotten, nor to another row', async () => {
  await say()
  const parts = [
    `who = 'mallory'`,
    `action = 'a.b'`,
    `subject = 's'`,
    `at = at - interval '1 s'`,
    `id = gen_random_uuid()`,
    `kept_salt = null, who = 'mallory'`,
  ]
  for (const part of parts) {
    await shop.pool.query('create table kept as select * from orderwheel.audit_log')
    await change(
      `update orderwheel.audit_log set reason = 'x', ${part} where who = 'eva' and action = 'target.paused'`,
    )
    expect(await findings()).toContain(
      part.startsWith('id') ? 'record-removed 2' : 'record-changed 2',
    )
    await tamper(shop, 'delete from orderwheel.audit_log')
    await tamper(shop, 'insert into orderwheel.audit_log select * from kept')
    await shop.pool.query('drop table kept; ')
    await tamper(shop, `delete from orderwheel.audit_chain where kind = 'masked'`)
  }
})

test('an order is not changed under the name of forgetting', async () => {
  const id = shop.placed[0]?.orderId
  await change(`update orderwheel.orders set document = jsonb_set(document, '{totals,total}', '1') where id = '${id}';
                select orderwheel.chain_forgotten('${id}')`)
  const { findings } = await verifyChain(shop.db)
  expect(findings.map(({ kind, what }) => `${kind} ${what.replace(/WEB-\S+/, 'WEB')}`)).toEqual([
    'order-changed Order WEB is not what audit was told: forgetting changes neither its number nor its total or currency.',
    expect.stringMatching(
      /^order-changed Order \S+ was changed under the name of forgetting, when nobody was/,
    ),
  ])
})

test('nor is one that says it was forgotten, or while another person is being forgotten', async () => {
  const [one, other] = shop.placed
  await shop.pool.query(`update orderwheel.orders set forgotten_at = now() where id = $1`, [
    one?.orderId,
  ])
  await shop.pool.query(`select orderwheel.chain_forgotten($1)`, [one?.orderId])
  expect(await findings()).toEqual(['order-changed 6'])
  await say()
  await shop.pool.query(`select orderwheel.chain_forgotten($1)`, [other?.orderId])
  expect(await findings()).toEqual(['order-changed 6', 'order-changed 8'])
})

test('who is really forgotten is no finding, whatever was forgotten before and after', async () => {
  const person = { email, customerId: null }
  const asked = { person, who: 'eva', reason: `${email} asked`, evenOpen: false, dryRun: false }
  await forgetPerson(shop.db, asked)
  await shop.pool.query(
    `insert into orderwheel.audit_log (who, action, subject, reason) values ('eva', 'a', 'x', $1)`,
    [`${email} called`],
  )
  await forgetPerson(shop.db, asked)
  expect(await findings()).toEqual([])
  // As when the server's clock was set back.
  await shop.pool.query(`update orderwheel.forgettings set started_at = now() + interval '5 min'`)
  expect(await findings()).toEqual([])
  await shop.pool.query(`update orderwheel.forgettings set started_at = now() + interval '1 hour'`)
  expect(await findings()).not.toEqual([])
})

test('nor who was forgotten by something that was interrupted, and has not ended yet', async () => {
  const person = { email, customerId: null }
  await forgetPerson(shop.db, { person, who: 'eva', reason: null, evenOpen: false, dryRun: false })
  await shop.pool.query(
    `update orderwheel.forgettings set finished_at = null, salt = sha256('a'), person = sha256('b')`,
  )
  expect(await findings()).toEqual([])
})

/** As forgetting does. */
async function change(statement: string): Promise<void> {
  await shop.pool.query(`begin; set local orderwheel.forgetting = 'on'; ${statement}; commit`)
}

/** That a person is being forgotten, who has no order here. */
async function say(): Promise<void> {
  await shop.pool.query(`
    with f as (insert into orderwheel.forgettings (requested_by, even_open, salt, person)
               values ('eva', false, sha256('a'), sha256('b')) returning id)
    insert into orderwheel.audit_log (who, action, subject) select 'eva', 'person.forgetting', id::text from f`)
}

async function findings(): Promise<string[]> {
  const { findings } = await verifyChain(shop.db)
  return findings.map(({ kind, position }) => `${kind} ${position ?? ''}`.trim())
}
