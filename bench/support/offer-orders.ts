import { setTimeout } from 'node:timers/promises'

import type pg from 'pg'

import { exampleOrder } from '#messages/example-order.ts'

export type Offer = {
  /** How many orders were written so far. */
  offered(): number
  stop(): Promise<void>
}

const tickMs = 50

/**
 * Writes orders with their messages at a steady rate, as an api would, in one statement for each tick; what a
 * late tick missed is in the next one. The relay hears of it.
 */
export function offerOrders(pool: pg.Pool, perSecond: number): Offer {
  const stopping = new AbortController()
  const began = performance.now()
  let offered = 0

  async function run() {
    while (!stopping.signal.aborted) {
      await setTimeout(tickMs)
      const due = Math.floor(((performance.now() - began) / 1_000) * perSecond)
      await pool.query(placeOrders, [offered, due - 1, exampleOrder('OFFER')])
      await pool.query(`select pg_notify('orderwheel_outbox', '')`)
      offered = due
    }
  }

  const running = run()
  return {
    offered: () => offered,
    stop() {
      stopping.abort()
      return running
    },
  }
}

const placeOrders = `
  with placed as (
    insert into orderwheel.orders (external_id, api_key_id, idempotency_key, fingerprint, document)
    select 'OFFER-' || n, '019ac000-0000-7000-8000-000000000000', 'OFFER-' || n,
           sha256(convert_to('OFFER-' || n, 'UTF8')), $3::jsonb
      from generate_series($1::int, $2::int) n
    returning id
  )
  insert into orderwheel.outbox (order_id, kind) select id, 'order.placed' from placed`
