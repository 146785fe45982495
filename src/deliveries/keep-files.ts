import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'
import type { MadeFile } from '#targets/outcome.ts'

export type FileOfOrder = MadeFile & { orderId: string; messageId: string }

/** Keeps what a target made of orders, instead of what it made of them before. */
export async function keepFiles(
  tx: Tx,
  target: string,
  files: readonly FileOfOrder[],
): Promise<void> {
  // One by one: there are few, and none of them is small.
  for (const { orderId, messageId, name, contentType, bytes } of files) {
    await sql`
      insert into orderwheel.order_files (order_id, target, message_id, name, content_type, bytes)
      values (${orderId}, ${target}, ${messageId}, ${name}, ${contentType}, ${Buffer.from(bytes)})
      on conflict (order_id, target) do update
         set message_id = excluded.message_id, name = excluded.name, content_type = excluded.content_type,
             bytes = excluded.bytes, made_at = excluded.made_at`.execute(tx)
  }
}

/** What a target made of an order; undefined: nothing. */
export async function readFile(
  db: Db,
  orderId: string,
  target: string,
): Promise<MadeFile | undefined> {
  const { rows } = await sql<MadeFile>`
    select name, content_type as "contentType", bytes from orderwheel.order_files
     where order_id = ${orderId}::uuid and target = ${target}`.execute(db)
  return rows[0]
}
