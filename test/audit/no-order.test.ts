import { expect, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'

import { openAuditedShop } from '../support/audited-shop.ts'

test('that a target was told of a message about no order is entered, without a digest of it', async () => {
  const shop = await openAuditedShop(1)
  try {
    await shop.pool.query(`
      update orderwheel.messages set id = '01a20000-0000-7000-8000-000000000001', order_id = '01a20000-0000-7000-8000-000000000001';
      select orderwheel.chain_told('audit', array_agg(id), array_agg(order_id)) from orderwheel.messages`)
    const { rows } = await shop.pool.query(
      `select record, digest, details->>'kind' as kind from orderwheel.audit_chain order by position desc limit 1`,
    )
    expect(rows).toEqual([{ record: null, digest: null, kind: 'order.placed' }])
    expect(await verifyChain(shop.db)).toMatchObject({ found: 0 })
  } finally {
    await shop.close()
  }
})
