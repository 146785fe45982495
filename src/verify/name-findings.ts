import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { Finding, NamedFinding } from './finding.ts'

/** The findings with their orders' own numbers and their messages' kinds, as far as these are still there. */
export async function nameFindings(db: Db, findings: readonly Finding[]): Promise<NamedFinding[]> {
  if (findings.length === 0) return []
  const numbered = findings.map(({ orderId, messageId, since }, number) => ({
    number,
    orderId,
    messageId,
    since,
  }))
  const { rows } = await sql<{
    number: number
    orderId: string | null
    order: string | null
    message: string | null
    since: Date | null
  }>`
    select f.number, coalesce(f."orderId", m.order_id) as "orderId",
           coalesce(p.external_id, o.external_id) as "order",
           coalesce(m.kind, b.kind) as message, f.since
      from json_to_recordset(${JSON.stringify(numbered)}::json)
             as f(number int, "orderId" uuid, "messageId" uuid, since timestamptz)
      left join orderwheel.messages m on m.id = f."messageId"
      left join lateral (
        select b.kind from orderwheel.outbox b where b.order_id = f."orderId" and b.id = f."messageId"
        union all
        select b.kind from orderwheel.outbox b where b.id = f."messageId" and b.order_id is null and b.kind not like 'order.%'
        limit 1) b on true
      left join orderwheel.orders o on o.id = coalesce(f."orderId", m.order_id)
      left join orderwheel.payments p on p.order_id = o.id`.execute(db)
  const byNumber = new Map(rows.map(({ number, ...names }) => [number, names]))
  return findings.map((finding, number) => {
    const names = byNumber.get(number)
    return {
      ...finding,
      orderId: names?.orderId ?? finding.orderId,
      order: names?.order ?? null,
      message: names?.message ?? null,
      since: names?.since?.toISOString() ?? null,
    }
  })
}
