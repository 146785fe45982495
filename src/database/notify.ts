import type pg from 'pg'

import type { Log } from '#base/log.ts'

/** The api rings the relay; the relay, the workers and operators ring the workers, naming targets or replays. */
export type Channel =
  | 'orderwheel_outbox'
  | 'orderwheel_jobs'
  | 'orderwheel_targets'
  | 'orderwheel_replays'

/**
 * A coalesced notification in a transaction of its own. Never send one inside an order's transaction:
 * each notifying commit takes a lock on the whole database. While one is under way, further calls
 * join the next. Losing one is harmless, since listeners poll as well.
 */
export function createNotifier(pool: pg.Pool, channel: Channel, log: Log) {
  let underWay = false
  const waiting = new Set<string>()

  async function send() {
    underWay = true
    while (waiting.size > 0) {
      const payload = [...waiting].filter(Boolean).join(',')
      waiting.clear()
      try {
        await pool.query('select pg_notify($1, $2)', [channel, payload])
      } catch (error) {
        log.debug({ err: error, channel }, 'notification lost, polling takes over')
      }
    }
    underWay = false
  }

  /** Fire and forget; never throws. */
  return function notify(...names: string[]): void {
    for (const name of names.length > 0 ? names : ['']) waiting.add(name)
    if (!underWay) void send()
  }
}
