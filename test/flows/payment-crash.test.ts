import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import { storeDevelopmentKeys } from '#keys/development-keys.ts'
import { exampleOrder } from '#messages/example-order.ts'

import { letPaymentsBeDue, startCardGateway } from '../payments/start-paying-shop.ts'
import { behave } from '../support/ask-simulator.ts'
import { eventually } from '../support/eventually.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase } from '../support/test-database.ts'

// Real processes, on a machine that does other things.
vi.setConfig({ testTimeout: 120_000 })

test.each([
  { when: 'the gateway charged and nobody wrote it down', token: 'tok_timeout_after_charge' },
  { when: 'the order is stored and nothing is charged yet', token: 'tok_approve', slow: true },
])(
  'an api that is killed when $when leaves an order that is paid once',
  async ({ token, slow }) => {
    const cards = await startCardGateway()
    const database = await testDatabase()
    const folder = await mkdtemp(join(tmpdir(), 'orderwheel-crash-'))
    const config = join(folder, 'orderwheel.config.ts')
    await writeFile(config, configuration(cards.url))
    onTestFinished(async () => {
      await database.close()
      await rm(folder, { recursive: true })
    })
    await storeDevelopmentKeys(database.db)
    if (slow) await behave(cards, 'payment', { latencyMs: 3_600_000 })
    const environment = {
      DATABASE_URL: connectionString(database.connection),
      ORDERWHEEL_CONFIG: config,
      ORDERWHEEL_DELIVER: 'yes',
      PORT: '0',
    }
    const api = startOrderwheel(['api'], environment)
    onTestFinished(async () => void (await api.stop('SIGKILL')))
    const [, url = ''] = await api.said(/listening at (http:\/\/[\d.:]+)/i)
    const answer = post(url, token)
    await eventually(async () => (await fetchJson(`${cards.url}/payment/calls`)).length === 1)
    await api.stop('SIGKILL')
    expect(await answer).toBe('no answer')
    expect(await database.db.selectFrom('orderwheel.outbox').select('id').execute()).toEqual([])

    if (slow) await behave(cards, 'payment', { latencyMs: 0 })
    await letPaymentsBeDue(database)
    const relays = [
      startOrderwheel(['relay'], environment),
      startOrderwheel(['relay'], environment),
    ]
    onTestFinished(async () => {
      await Promise.all(relays.map((relay) => relay.stop('SIGKILL')))
    })
    await eventually(
      async () => {
        const told = await database.db.selectFrom('orderwheel.messages').select('kind').execute()
        return told.length === 1 && told[0]?.kind === 'order.placed'
      },
      { withinSeconds: 60 },
    )
    expect(await cards.charges()).toMatchObject([{ status: 'captured', amount: 46_350 }])
    const payments = await database.db.selectFrom('orderwheel.payments').selectAll().execute()
    expect(payments).toMatchObject([{ state: 'captured', token: null, attempts: 2 }])
  },
)

async function fetchJson(url: string): Promise<unknown[]> {
  return (await (await fetch(url)).json()) as unknown[]
}

async function post(url: string, token: string): Promise<number | 'no answer'> {
  try {
    const { status } = await fetch(`${url}/orders`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer ow_dev_storefront',
        'content-type': 'application/json',
        'idempotency-key': 'killed',
      },
      body: JSON.stringify({ ...exampleOrder('WEB-1'), payment: { token } }),
    })
    return status
  } catch {
    return 'no answer'
  }
}

function configuration(url: string): string {
  return `
    import { approved, custom, defineConfig, httpPayment } from 'orderwheel'
    export default defineConfig({
      targets: { erp: custom(async () => {}) },
      routes: { 'order.placed': ['erp'] },
      payment: httpPayment({
        url: '${url}/payment',
        path: '/charges',
        deadlineSeconds: 30,
        body: ({ token, amount, currency }) => ({ token, amount, currency }),
        answer: ({ status, json }) => (status === 201 ? approved(json().id) : undefined),
      }),
    })`
}
