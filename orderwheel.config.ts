import {
  approved,
  audit,
  batch,
  declined,
  defineConfig,
  email,
  env,
  http,
  httpPayment,
  receipt,
  textAt,
  webhook,
  type EnvironmentReference,
} from 'orderwheel'

// The demo store: what a small shop tells others about an order. Copy it, change it, and run
// `orderwheel check`. `npm start` fills in the variables that are not set with its simulated targets.

// Three systems of one make are one definition and three targets: what one of them rejects is its own dead letter.
const inventory = (url: EnvironmentReference) =>
  http({
    url,
    method: 'PUT',
    path: ({ order }) => `/reservations/${order.externalId}`,
    body: ({ order, message }) => ({
      released: message.kind === 'order.cancelled',
      lines: order.items.map(({ sku, quantity }) => ({ sku, quantity })),
    }),
    withdrawWhenCancelled: true,
  })

export default defineConfig({
  targets: {
    // Slow and sometimes down. PUT by our own number: telling it twice changes nothing.
    erp: http({
      url: env('ERP_URL', { description: 'where the ERP takes orders' }),
      method: 'PUT',
      path: ({ order }) => `/orders/${order.externalId}`,
      body: ({ order, message }) => ({
        number: order.externalId,
        cancelled: message.kind === 'order.cancelled',
        customer: order.customer,
        lines: order.items,
        totals: order.totals,
        currency: order.currency,
      }),
    }),

    // A PDF that is kept with the order: GET /orders/{id}/receipt. A cancelled order's says so.
    receipt: receipt({
      withdrawWhenCancelled: true,
      seller: { name: 'Demo Shop', lines: ['Marktplatz 7', '10178 Berlin'], taxId: 'DE123456789' },
      footer: { en: 'Thank you for your order.', de: 'Vielen Dank für Ihre Bestellung.' },
      timeZone: 'Europe/Berlin',
    }),

    // The customer hears of an order only when the ERP has it, and gets the receipt along.
    'confirmation-email': email({
      after: ['erp', 'receipt'],
      attach: ['receipt'],
      withdrawWhenCancelled: true,
      template: 'order-confirmation',
      // Whoever was told of the order hears that it is cancelled.
      cancelledTemplate: 'order-cancellation',
      from: env('EMAIL_FROM', { description: 'sender: Shop <orders@shop.example>' }),
      smtp: env('SMTP_URL', { description: 'mail server: smtp://user:password@host:587' }),
    }),

    // Signed as Standard Webhooks says; several secrets with spaces between them while a partner changes over.
    'partner-webhook': webhook({
      url: env('PARTNER_URL', { description: 'the endpoint of the partner' }),
      secret: env('PARTNER_SECRET', { description: 'whsec_…, one or several' }),
      allowPrivate: env('PARTNER_ALLOW_PRIVATE', {
        default: '',
        description: 'hosts inside the network the webhook may call',
      }),
    }),

    'inventory-eu': inventory(env('INVENTORY_EU_URL', { description: 'stock in Europe' })),
    'inventory-us': inventory(env('INVENTORY_US_URL', { description: 'stock in America' })),
    'inventory-asia': inventory(env('INVENTORY_ASIA_URL', { description: 'stock in Asia' })),

    // PUT by the customer's address and our own number: telling it twice changes nothing, nor that it hears of an
    // order's cancellation after the customer's next order.
    crm: http({
      url: env('CRM_URL', { description: 'where the CRM takes customers' }),
      method: 'PUT',
      path: ({ order }) =>
        `/customers/${encodeURIComponent(order.customer.email)}/orders/${order.externalId}`,
      body: ({ order, message }) => ({
        name: order.customer.name,
        locale: order.customer.locale,
        total: order.totals.total,
        currency: order.currency,
        cancelled: message.kind === 'order.cancelled',
      }),
      withdrawWhenCancelled: true,
    }),

    // What it answers is kept for those that come after it, and for itself: the label is voided with the order.
    shipping: http({
      url: env('SHIPPING_URL', { description: 'the carrier, who answers with a rate and a label' }),
      when: ({ order }) => order.items.some((item) => item.requiresShipping),
      path: ({ order, message }) =>
        message.kind === 'order.cancelled' ? `/shipments/${order.externalId}/void` : '/shipments',
      body: ({ order, message, answers }) =>
        message.kind === 'order.cancelled'
          ? { reference: order.externalId, label: textAt(answers.shipping?.value, '/label') }
          : {
              reference: order.externalId,
              to: order.shippingAddress ?? order.billingAddress,
              parcels: order.items.filter((item) => item.requiresShipping).length,
            },
      keep: ({ json }) => {
        const rate = json()
        return { label: textAt(rate, '/label'), days: textAt(rate, '/days') }
      },
      withdrawWhenCancelled: true,
    }),

    // A provider's form, which knows no idempotency: a message whose fate is unknown is left to a person.
    sms: http({
      url: env('SMS_URL', { description: 'the SMS provider: its Messages resource' }),
      after: ['erp', 'shipping'],
      when: ({ order }) => typeof order.customer.phone === 'string',
      body: ({ order, message, answers }) => {
        const days = textAt(answers.shipping?.value, '/days')
        return new URLSearchParams({
          To: order.customer.phone ?? '',
          From: 'DemoShop',
          Body:
            message.kind === 'order.cancelled'
              ? `Your order ${order.externalId} is cancelled.`
              : `Thank you! Order ${order.externalId} arrives ${days ? `in ${days} days` : 'soon'}.`,
        })
      },
      idempotent: false,
      // A worker that is stopped waits so long for its answer: nobody could say later whether it was sent.
      timeoutSeconds: 8,
      withdrawWhenCancelled: true,
    }),

    push: http({
      url: env('PUSH_URL', { description: 'the push provider' }),
      after: ['erp'],
      when: ({ order }) => order.metadata?.pushToken !== undefined,
      body: ({ order, message }) => ({
        message: {
          token: order.metadata?.pushToken,
          notification: {
            title: message.kind === 'order.cancelled' ? 'Order cancelled' : 'Order received',
            body: order.externalId,
          },
        },
      }),
      idempotent: false,
      timeoutSeconds: 8,
      withdrawWhenCancelled: true,
    }),

    // What was ordered, in a chain of hashes: `orderwheel audit verify` proves that nobody touched it since.
    audit: audit(),

    // Nice to have: after the others, many orders in one request, no retries through the night; and when it is down for so
    // long that a lot is open, it misses the rest.
    analytics: batch({
      url: env('ANALYTICS_URL', { description: 'where analytics takes events' }),
      body: (batch) => ({
        events: batch.map((told) => {
          const { message, idempotencyKey } = told
          const event = { id: idempotencyKey, event: message.kind, at: message.createdAt }
          // About no order: asking for it would make the message a dead letter.
          if (message.orderId === null) return { ...event, stock: message.payload }
          const { externalId, totals, currency } = told.order
          return { ...event, order: externalId, total: totals.total, currency }
        }),
      }),
      withdrawWhenCancelled: true,
      priority: 'low',
      droppable: true,
      retry: { attempts: 8 },
    }),
  },

  // What is no order, but has to be told: a back office corrects stock, by POST /messages or by SQL in its own transaction.
  messages: {
    'stock.changed': {
      schema: {
        type: 'object',
        required: ['sku', 'warehouse', 'quantity', 'reason'],
        properties: {
          sku: { type: 'string', minLength: 1, maxLength: 64 },
          warehouse: { enum: ['eu', 'us', 'asia'] },
          // What is there now, not the difference: of two changes, the later may be told first.
          quantity: { type: 'integer', minimum: 0, maximum: 1_000_000 },
          reason: { enum: ['sold', 'received', 'counted', 'damaged'] },
        },
        additionalProperties: false,
      },
    },
  },

  routes: {
    'order.placed': [
      'erp',
      'receipt',
      'confirmation-email',
      'partner-webhook',
      'inventory-eu',
      'inventory-us',
      'inventory-asia',
      'crm',
      'shipping',
      'sms',
      'push',
      'audit',
      'analytics',
    ],
    'order.cancelled': [
      'erp',
      'receipt',
      'confirmation-email',
      'partner-webhook',
      'inventory-eu',
      'inventory-us',
      'inventory-asia',
      'crm',
      'shipping',
      'sms',
      'push',
      'audit',
      'analytics',
    ],
    'stock.changed': ['partner-webhook', 'analytics'],
  },

  // Only this, the order's validation and its record are waited for by a buyer. Orders with a payment.token are charged
  // here; what was charged is given back by the target `payment` when such an order is cancelled.
  payment: httpPayment({
    url: env('PAYMENT_URL', { description: 'the payment gateway' }),
    path: '/charges',
    headers: {
      authorization: env('PAYMENT_KEY', {
        description: 'its secret key',
        format: (key) => `Bearer ${key}`,
      }),
    },
    body: ({ token, amount, currency, order }) => ({
      token,
      amount,
      currency,
      capture: true,
      description: order.externalId,
    }),
    answer: ({ status, json }) => {
      if (status === 201) return approved(textAt(json(), '/id') ?? '')
      if (status === 402)
        return declined(
          textAt(json(), '/error/message') ?? 'declined',
          textAt(json(), '/error/code'),
        )
      return undefined
    },
    refund: ({ reference, amount, http }) =>
      http({ url: '/refunds', body: { charge: reference, amount } }),
  }),

  // Somebody is told when an order would be lost, a target makes dead letters, or nothing moves.
  alerts: {
    url: env('ALERT_URL', {
      default: '',
      description: 'where alerts are POSTed: a webhook of Slack, Mattermost or your own',
    }),
  },
})
