import { onTestFinished } from 'vitest'

import { createLog } from '#base/log.ts'
import { checkConfig } from '#config/check-config.ts'
import type { AppOptions } from '#http/build-app.ts'
import { reconcilePayments } from '#payments/reconcile-payments.ts'
import { startSimulator } from '#simulator/start-simulator.ts'
import { custom } from '#targets/custom.ts'
import { approved, declined } from '#targets/payment/charge-result.ts'
import { httpPayment, type HttpPaymentOptions } from '#targets/payment/http-payment.ts'
import type { PaymentDefinition, PaymentGateway } from '#targets/payment/payment-gateway.ts'
import { textAt } from '#targets/text-at.ts'

import {
  newOrder,
  startTestApi,
  type Answer,
  type PostOptions,
  type TestApi,
} from '../http/test-api.ts'

const silent = createLog('test', 'silent')

export type SimulatedCharge = { id: string; key: string; status: string; amount: number }

/** The simulated card gateway, and what it charged. Its latencies are a hundredth. */
export async function startCardGateway() {
  const simulator = await startSimulator({ port: 0, smtpPort: 0, speed: 100, log: silent })
  onTestFinished(() => simulator.stop())
  return {
    ...simulator,
    charges: async () =>
      (await (await fetch(`${simulator.url}/payment/charges`)).json()) as SimulatedCharge[],
  }
}

/** As the demo store has it. */
export function cardPayment(
  url: string,
  more: Partial<HttpPaymentOptions> = {},
): PaymentDefinition {
  return httpPayment({
    url: `${url}/payment`,
    path: '/charges',
    provider: 'cards',
    body: ({ token, amount, currency, mode }) => ({
      token,
      amount,
      currency,
      capture: mode === 'capture',
    }),
    answer: ({ status, json }) => {
      if (status === 201) return approved(textAt(json(), '/id') ?? '')
      if (status === 402) return declined(textAt(json(), '/error/message') ?? '', 'card_declined')
      return undefined
    },
    ...more,
  })
}

/** The gateway and its target, checked as a configuration file is. */
export function createPayment(payment: PaymentDefinition, erp = custom(async () => {})) {
  const config = checkConfig(
    {
      targets: { erp },
      routes: { 'order.placed': ['erp'] },
      payment,
    },
    { file: 'test', environment: {}, directory: '.' },
  )
  if (!config.payment) throw new Error('There is no gateway.')
  return { ...config, payment: config.payment }
}

export type PayingShop = TestApi & {
  payment: PaymentGateway
  /** What relays do: asks about every payment that is not known, due or not. */
  reconcile(): Promise<number>
}

/** An API whose orders are paid by this gateway; stopped when the test ends. */
export async function startPayingShop(
  definition: PaymentDefinition,
  options: Partial<AppOptions> = {},
): Promise<PayingShop> {
  const { payment } = createPayment(definition)
  const api = await startTestApi({ payment, ...options })
  onTestFinished(async () => {
    await api.close()
    await payment.close()
  })
  return {
    ...api,
    payment,
    async reconcile() {
      await letPaymentsBeDue(api)
      return reconcilePayments({
        db: api.db,
        gateway: payment,
        log: silent,
        mayCharge: async () => true,
        outboxChanged: () => {},
      })
    },
  }
}

/** Nobody is asking any more, and the time to ask again has come. */
export async function letPaymentsBeDue({ db }: Pick<TestApi, 'db'>): Promise<void> {
  await db
    .updateTable('orderwheel.payments')
    .set({ try_after: new Date(0) })
    .where('state', '=', 'pending')
    .execute()
}

/** Sends an order that is paid with this card. */
export function pay(
  api: Pick<TestApi, 'post'>,
  token: string,
  { externalId, ...options }: PostOptions & { externalId?: string } = {},
): Promise<Answer> {
  const order = newOrder({ payment: { token }, ...(externalId ? { externalId } : {}) })
  return api.post(order, options)
}

export async function paymentOf(api: Pick<TestApi, 'db'>, orderId: string) {
  return api.db
    .selectFrom('orderwheel.payments')
    .selectAll()
    .where('order_id', '=', orderId)
    .executeTakeFirst()
}

/** The kinds of message in the outbox, of all orders. */
export async function outboxOf({ db }: Pick<TestApi, 'db'>): Promise<string[]> {
  const rows = await db.selectFrom('orderwheel.outbox').select('kind').orderBy('position').execute()
  return rows.map(({ kind }) => kind)
}
