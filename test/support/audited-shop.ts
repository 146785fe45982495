import { auditKind } from '#targets/audit.ts'

import { openTestShop, type TestShop } from './test-shop.ts'

/** A shop whose one target is an audit target, with some orders it was told of and something that people did. */
export async function openAuditedShop(orders: number) {
  const shop = await openTestShop([auditKind.create('audit', {}, { directory: '.' })])
  await shop.pool.query(`
    insert into orderwheel.audit_log (who, action, subject, reason, details)
    values ('eva', 'target.paused', 'erp', 'upgrade', '{"until": null}'),
           ('bob', 'target.resumed', 'erp', null, '{"a": "ü"}')`)
  const placed = await tellOrders(shop, orders)
  return { ...shop, placed }
}

export type AuditedShop = Awaited<ReturnType<typeof openAuditedShop>>

export async function tellOrders(shop: TestShop, count: number) {
  const placed = await Promise.all(Array.from({ length: count }, () => shop.placeOrder()))
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(60_000))
  await worker.stop()
  return placed
}

/** As a superuser who knows how: no trigger, no foreign key hinders it. */
export async function tamper({ pool }: Pick<TestShop, 'pool'>, statement: string): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('set local session_replication_role = replica')
    const { rowCount } = await client.query(statement)
    await client.query('commit')
    return rowCount ?? 0
  } finally {
    client.release()
  }
}
