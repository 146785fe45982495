import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { loadConfig } from '#config/load-config.ts'
import { exampleOrder } from '#messages/example-order.ts'
import { HttpPaymentOptions } from '#targets/payment/http-payment.ts'
import { fillPaymentOptions } from '#targets/payment/payment-gateway.ts'

import { startCardGateway } from '../payments/start-paying-shop.ts'

const page = await readFile(new URL('../../docs/payment.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code)

async function load(example: string, environment: Record<string, string>) {
  const orderwheel = new URL('../../src/config/index.ts', import.meta.url).href
  const source = `
    import { approved, custom, customPayment, declined, defineConfig, env, httpPayment, textAt, uncertain } from '${orderwheel}'
    export default defineConfig({
      targets: { erp: custom(async () => {}) },
      routes: { 'order.placed': ['erp'] },
      ${example}
    })`
  const directory = await mkdtemp(join(tmpdir(), 'orderwheel-payment-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'orderwheel.config.ts')
  await writeFile(path, source)
  return loadConfig({ path, environment })
}

function charge(token: string) {
  return {
    order: { ...exampleOrder('WEB-1'), id: token, receivedAt: '2026-11-22T10:15:00Z' },
    token,
    amount: 100,
    currency: 'EUR',
    mode: 'capture' as const,
    attempt: 1,
    idempotencyKey: token,
    signal: AbortSignal.timeout(30_000),
  }
}

test('the gateway on the page of payment charges, is declined, and gives back', async () => {
  const cards = await startCardGateway()
  const config = await load(examples[0] ?? '', {
    PAYMENT_URL: `${cards.url}/payment`,
    PAYMENT_KEY: 'sk_1',
  })
  onTestFinished(async () => config.payment?.close())
  const approved = await config.payment?.charge(charge('tok_approve'))
  expect(approved).toEqual({ kind: 'approved', reference: expect.stringMatching(/^ch_\d+$/) })
  expect(await config.payment?.charge(charge('tok_decline'))).toEqual({
    kind: 'declined',
    reason: 'insufficient funds',
  })
  expect(config.routes['order.cancelled']).toEqual(['payment'])
  const calls = await (await fetch(`${cards.url}/payment/calls`)).json()
  expect(calls).toMatchObject([{ headers: { authorization: 'Bearer sk_1' } }, {}])
})

test('the function on the page of payment is a configuration without mistakes', async () => {
  const { payment, targets } = await load(examples[1] ?? '', {})
  expect(payment).toMatchObject({ provider: 'gateway.example', deadlineSeconds: 4 })
  expect(targets.map(({ name }) => name)).toEqual(['erp', 'reports'])
  await payment?.close()
})

test('the page of payment has every option, and the defaults that count', () => {
  const [, table = ''] = /<!-- http -->(.*?)<!-- \/http -->/s.exec(page) ?? []
  const rows = [...table.matchAll(/^\| `([^`]+)` +\| ([^|]*) \|/gm)]
  const named = rows.map(([, option = '']) => option)
  expect(named.toSorted()).toEqual(Object.keys(HttpPaymentOptions.properties).toSorted())
  const defaults = Object.fromEntries(rows.map(([, option, value = '']) => [option, value.trim()]))
  for (const [option, value] of Object.entries(fillPaymentOptions({})))
    expect(defaults[option]).toBe(`\`${value}\``)
})
