import { afterAll, beforeAll, expect, test } from 'vitest'

import { previewReplay } from '#dead-letters/preview-replay.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { targetDefaults } from '#targets/target.ts'

import { plansOf } from '../support/plans-of.ts'
import { openStuckShop, type StuckShop } from '../support/stuck-order.ts'
import { askForReplay } from '../support/work-off-replays.ts'

let shop: StuckShop
beforeAll(async () => {
  shop = await openStuckShop(['erp', 'stock'])
})
afterAll(() => shop.close())

test('a preview says how many, which, where to, and what is in the way', async () => {
  for (const target of ['erp', 'erp', 'erp', 'erp', 'stock'])
    await shop.placeOrder([{ kind: 'order.placed', deliveries: { [target]: 'dead' } }])
  await shop.pool.query(`
    update orderwheel.targets set circuit = 'open', probe_at = now(), circuit_reason = 'answered 503' where name = 'erp';
    update orderwheel.dead_letters set held_at = now(), held_by = 'eva', hold_reason = 'lawsuit'
     where id = (select id from orderwheel.dead_letters where target = 'erp' order by id limit 1)`)
  // The configuration of the process that starts next has no stock any more, and says where the ERP is.
  const erp = {
    ...targetDefaults,
    name: 'erp',
    kind: 'http',
    address: 'https://erp.example',
  } as const
  await declareTargets(shop.db, [erp])
  const [listed = '', closed = ''] = await letterIds()
  await askForReplay(shop, { filter: { ids: [listed] } })
  await shop.pool.query(
    `update orderwheel.dead_letters set resolution = 'discarded', resolved_at = now(), resolved_by = 'tom' where id = $1`,
    [closed],
  )

  const preview = await previewReplay(shop.db, { ids: await letterIds() })

  expect(preview).toMatchObject({ total: 3, listed: 1, closed: 1, held: 1 })
  expect(preview.groups).toMatchObject([
    { target: 'erp', deadLetters: 2, error: 'HTTP #', status: null },
    { target: 'stock', deadLetters: 1 },
  ])
  expect(preview.targets).toEqual([
    {
      target: 'erp',
      deadLetters: 2,
      address: 'https://erp.example',
      hasQueue: true,
      isConfigured: true,
      paused: null,
      circuit: 'open',
      circuitReason: 'answered 503',
    },
    expect.objectContaining({ target: 'stock', address: null, isConfigured: false }),
  ])
})

test('of a thousand groups a hundred leave the database, and all are counted', async () => {
  await shop.placeOrder([{ kind: 'order.placed', deliveries: { erp: 'dead' } }])
  await shop.pool.query(
    `insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts)
     select l.message_id, l.target, l.order_id, 'x', jsonb_build_array(jsonb_build_object('answer', jsonb_build_object('code', 'E' || n)))
       from (select * from orderwheel.dead_letters where resolved_at is null and target = 'erp' limit 1) l, generate_series(1, 1000) n`,
  )
  const plans = await plansOf(shop.pool, async (db) => {
    const preview = await previewReplay(db, { error: 'x' })
    expect(preview).toMatchObject({
      total: 1_000,
      targets: [{ target: 'erp', deadLetters: 1_000 }],
    })
    expect(preview.groups).toHaveLength(100)
  })
  expect(plans[0]?.answered).toBeLessThanOrEqual(101)
})

test('a preview of nothing is empty', async () => {
  const preview = await previewReplay(shop.db, { target: 'fax' })
  expect(preview).toEqual({ total: 0, listed: 0, closed: 0, held: 0, groups: [], targets: [] })
})

/** The newest ERP letters first; the oldest of them is held. */
async function letterIds(): Promise<string[]> {
  const { rows } = await shop.pool.query<{ id: string }>(
    `select id from orderwheel.dead_letters order by target, id desc`,
  )
  return rows.map(({ id }) => id)
}
