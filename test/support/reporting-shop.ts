import { randomUUID } from 'node:crypto'

import { createLog } from '#base/log.ts'
import { type AppOptions, buildApp } from '#http/build-app.ts'
import { createKey } from '#keys/create-key.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { Order } from '#messages/order.ts'
import { reportRequested, reportRequestKind } from '#messages/report-request.ts'
import { makeReport } from '#reports/make-report.ts'
import { createReportsTarget } from '#targets/reports-target.ts'
import type { Target } from '#targets/target.ts'

import { openTestShop, testTarget } from './test-shop.ts'

export type AskFor = { format?: string; from?: string; to?: string; kind?: string }

/** A shop that makes reports as a worker does, with its API and a key that may ask for them. */
export async function openReportingShop(
  changes: Partial<Target> = {},
  api: Partial<AppOptions> = {},
) {
  const reports: Target = {
    ...createReportsTarget(),
    call: (call) => makeReport({ db: shop.db, keepDays: 7 }, call),
    ...changes,
  }
  const shop = await openTestShop([testTarget('erp'), reports], {
    'order.placed': ['erp'],
    [reportRequested]: ['reports'],
  })
  shop.relayOptions.kinds = new Map([[reportRequested, reportRequestKind()]])
  const app = await buildApp({
    ...shop,
    log: createLog('test', 'silent'),
    outboxChanged: () => {},
    production: false,
    ...api,
  })
  const scopes = ['reports', 'orders:read'] as const
  const newKey = async (name: string) =>
    (await createKey(shop.db, { name, scopes, ratePerSecond: 10_000, who: 'test' })).key
  const key = await newKey('books')
  const send = (url: string, more: { method?: 'GET' | 'HEAD' | 'DELETE'; headers?: object } = {}) =>
    app.inject({
      method: more.method ?? 'GET',
      url,
      headers: { authorization: `Bearer ${key}`, ...more.headers },
    })

  return {
    ...shop,
    app,
    newKey,
    key,
    send,
    ask: (wanted: AskFor | string = {}, headers: { [name: string]: string } = {}) =>
      app.inject({
        method: 'POST',
        url: '/reports',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          ...headers,
        },
        payload: typeof wanted === 'string' ? wanted : JSON.stringify({ ...october, ...wanted }),
      }),
    /** Asks, lets it be made, and answers its id. */
    async make(wanted: AskFor = {}): Promise<string> {
      const { id } = (await this.ask(wanted)).json<{ id: string }>()
      await this.workOff()
      return id
    },
    remove: (id: string, headers: object = {}) =>
      send(`/reports/${id}`, { method: 'DELETE', headers }),
    /** How many pieces of files there are. */
    async pieces() {
      return (await shop.pool.query('select from orderwheel.report_chunks')).rowCount ?? 0
    },
    /** Makes the file of a report so many whole pieces long, of the letter a. */
    async grow(id: string, pieces: number) {
      await shop.pool.query(
        `with grown as (
           update orderwheel.reports set bytes = $2::int * 262144 where id = $1 returning id, attempt
         )
         insert into orderwheel.report_chunks (report_id, attempt, number, bytes)
         select id, attempt, n, decode(repeat('61', 262144), 'hex') from grown, generate_series(0, $2::int - 1) n
         on conflict (report_id, attempt, number) do update set bytes = excluded.bytes`,
        [id, pieces],
      )
    },
    async workOff() {
      await shop.relay()
      const worker = shop.startWorker()
      await worker.drained(AbortSignal.timeout(60_000))
      await worker.stop()
    },
    async report(id: string) {
      return (await send(`/reports/${id}`)).json<Record<string, unknown>>()
    },
    /** Stores an order that was received at this time, without telling anybody. */
    async storeOrder(receivedAt: string, changed: Partial<Order> = {}) {
      const externalId = changed.externalId ?? `WEB-${randomUUID().slice(0, 18)}`
      const { rows } = await shop.pool.query<{ id: string }>(
        `insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
         values (orderwheel.first_id($1::timestamptz), $2, $3, $2, decode(repeat('00', 32), 'hex'), $4, $1::timestamptz)
         returning id`,
        [receivedAt, externalId, randomUUID(), { ...exampleOrder(externalId), ...changed }],
      )
      return rows[0]?.id ?? ''
    },
    /** Stores so many orders that were received in October, each a second after the other. */
    async storeMany(count: number) {
      await shop.pool.query(
        `insert into orderwheel.orders (id, external_id, api_key_id, idempotency_key, fingerprint, document, received_at)
         select orderwheel.first_id(at), 'WEB-' || n, uuidv7(), 'WEB-' || n, decode(repeat('00', 32), 'hex'),
                jsonb_set($2::jsonb, '{externalId}', to_jsonb('WEB-' || n)), at
           from generate_series(1, $1::int) n
          cross join lateral (select timestamptz '2026-10-01T00:00:00Z' + make_interval(secs => n) as at) t`,
        [count, exampleOrder('WEB-0')],
      )
    },
    async close() {
      await app.close()
      await shop.close()
    },
  }
}

export type ReportingShop = Awaited<ReturnType<typeof openReportingShop>>

const october = {
  kind: 'orders',
  format: 'csv',
  from: '2026-10-01T00:00:00Z',
  to: '2026-11-01T00:00:00Z',
}
