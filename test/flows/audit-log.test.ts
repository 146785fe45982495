import { afterEach, expect, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'

import { openAuditedShop, tamper, tellOrders, type AuditedShop } from '../support/audited-shop.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'

let shop: AuditedShop
afterEach(() => shop.close())

async function verify(...args: string[]) {
  const command = startOrderwheel(['audit', 'verify', ...args], {
    DATABASE_URL: connectionString(shop.connection),
  })
  return { code: await command.ended, output: command.output() }
}

test('whatever people do and an audit target is told is in the chain once, and orderwheel audit verify proves it', async () => {
  shop = await openAuditedShop(3)
  await tellOrders(shop, 1)

  const { rows } = await shop.pool.query<{ kind: string; details: Record<string, unknown> }>(
    'select kind, details from orderwheel.audit_chain order by position',
  )
  expect(rows.map(({ kind }) => kind)).toEqual([
    'begun',
    'action',
    'action',
    ...Array<string>(4).fill('told'),
  ])
  expect(rows[3]?.details).toMatchObject({
    target: 'audit',
    kind: 'order.placed',
    externalId: expect.stringMatching(/^WEB-/),
    total: 46_350,
    currency: 'EUR',
  })
  const { code, output } = await verify()
  expect(output).toMatch(
    /^7 entries: all as they were entered\.\nThe last entry: 7:[0-9a-f]{64}\nKeep that/,
  )
  expect(code).toBe(0)
})

test('a tip that was kept elsewhere proves that nothing before it was cut off or rewritten', async () => {
  shop = await openAuditedShop(2)
  const tip = /5:[0-9a-f]{64}/.exec((await verify()).output)?.[0] ?? ''
  await tellOrders(shop, 2)
  const later = await verify('--since', '5', '--expect', tip, '--json')
  expect(later.code).toBe(0)
  expect(JSON.parse(later.output)).toMatchObject({ entries: 2, isExpectedThere: true, found: 0 })

  // All traces of the last orders and of the end of the chain, and the chain goes on: only who kept the tip knows.
  await tamper(shop, 'delete from orderwheel.audit_chain where position > 4')
  await tamper(shop, 'delete from orderwheel.audit_salts where position > 4')
  await tamper(
    shop,
    `delete from orderwheel.orders where id not in (select record from orderwheel.audit_chain where kind = 'told')`,
  )
  expect(await verify()).toMatchObject({ code: 0 })
  const found = await verify('--expect', tip)
  expect(found.code).toBe(1)
  expect(found.output).toContain('rewritten or cut off')
  expect((await verify('--expect', tip.slice(2))).code).toBe(1)
})

test('an order that somebody changes after it was told is found, with what it was told to', async () => {
  shop = await openAuditedShop(2)
  const orderId = shop.placed[0]?.orderId
  await shop.pool.query(
    `update orderwheel.orders set document = jsonb_set(document, '{totals,total}', '1') where id = $1`,
    [orderId],
  )

  const { code, output } = await verify()

  expect(code).toBe(1)
  expect(output).toMatch(
    /1 thing is not as entered\.\n- Order WEB-\S+ is not what audit was told\.\n/,
  )
})

test('a delivery whose worker dies before it is settled is entered when it is, once', async () => {
  shop = await openAuditedShop(0)
  await shop.pool.query(`
    create function orderwheel.fail_once() returns trigger language plpgsql as $$
    begin
      if (select last_value from orderwheel.tries) < 3 then
        perform nextval('orderwheel.tries');
        raise exception 'the server dies' using errcode = '57P01';
      end if;
      return new;
    end $$;
    create sequence orderwheel.tries;
    create trigger dies before insert on orderwheel.audit_chain for each row execute function orderwheel.fail_once()`)
  await tellOrders(shop, 3)

  const tries = await shop.pool.query('select last_value::int from orderwheel.tries')
  expect(tries.rows).toEqual([{ last_value: 3 }])
  const { rows } = await shop.pool.query(
    `select count(*)::int as entries, count(distinct record)::int as orders from orderwheel.audit_chain where kind = 'told'`,
  )
  expect(rows).toEqual([{ entries: 3, orders: 3 }])
  expect(await verifyChain(shop.db)).toMatchObject({ found: 0 })
})
