import { type EventEmitter, once } from 'node:events'
import type { Writable } from 'node:stream'

import pg from 'pg'

import { eventually } from './eventually.ts'
import type { TestDatabase } from './test-database.ts'

/**
 * Follows a server as a standby with hot_standby_feedback does whose oldest query began now: what dies from here on
 * is kept. With `slot`, through a slot of that name, made for it. Answers when the server knows.
 */
export async function followServer(
  { connection, pool }: Pick<TestDatabase, 'connection' | 'pool'>,
  { application, slot }: { application: string; slot?: string },
): Promise<{ end(): Promise<void> }> {
  const { rows } = await pool.query<{ xid: string; lsn: string }>(
    'select pg_snapshot_xmin(pg_current_snapshot())::text as xid, pg_current_wal_flush_lsn()::text as lsn',
  )
  const { xid = '', lsn = '' } = rows[0] ?? {}
  if (slot !== undefined)
    await pool.query('select pg_create_physical_replication_slot($1, true)', [slot])
  const client = new pg.Client({
    ...connection,
    application_name: application,
    replication: 'true',
  } as pg.ClientConfig)
  client.on('error', () => {})
  await client.connect()
  // Their types leave it out.
  const wire = (client as unknown as { connection: EventEmitter & { stream: Writable } }).connection
  const started = once(wire, 'replicationStart')
  const by = slot === undefined ? '' : `SLOT ${slot}`
  // It ends with the client.
  const following = client.query(`START_REPLICATION ${by} PHYSICAL ${lsn}`)
  await Promise.race([started, following])
  following.catch(() => {})
  wire.stream.write(feedback(BigInt(xid)))
  await eventually(() => isKnown(pool, application))
  return { end: () => client.end() }
}

/** Hot standby feedback in a CopyData message, as the streaming replication protocol has it. */
function feedback(xid: bigint): Buffer {
  const message = Buffer.alloc(30)
  message.write('d', 0)
  message.writeInt32BE(29, 1)
  message.write('h', 5)
  message.writeUInt32BE(Number(xid & 0xffff_ffffn), 14)
  message.writeUInt32BE(Number(xid >> 32n), 18)
  return message
}

async function isKnown(pool: pg.Pool, application: string): Promise<boolean> {
  const { rows } = await pool.query(
    `select from pg_stat_replication r left join pg_replication_slots s on s.active_pid = r.pid
      where r.application_name = $1 and coalesce(r.backend_xmin, s.xmin) is not null`,
    [application],
  )
  return rows.length > 0
}
