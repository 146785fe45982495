import { defineConfig, email, env, http, webhook } from 'orderwheel'

// The demo store: what a small shop tells others about an order. Copy it, change it, and run
// `orderwheel check`. `npm start` fills in the variables that are not set with its simulated targets.
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

    // The customer hears of an order only when the ERP has it.
    'confirmation-email': email({
      after: ['erp'],
      withdrawWhenCancelled: true,
      template: 'order-confirmation',
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

    // Nice to have: after the others, fewer calls at a time, and no retries through the night.
    analytics: http({
      url: env('ANALYTICS_URL', { description: 'where analytics takes events' }),
      body: ({ order, message }) => ({
        event: message.kind,
        at: message.createdAt,
        order: order.externalId,
        total: order.totals.total,
        currency: order.currency,
      }),
      withdrawWhenCancelled: true,
      priority: 'low',
      concurrency: 5,
      retry: { attempts: 8 },
    }),
  },

  routes: {
    'order.placed': ['erp', 'confirmation-email', 'partner-webhook', 'analytics'],
    'order.cancelled': ['erp', 'partner-webhook'],
  },

  // Somebody is told when an order would be lost, a target makes dead letters, or nothing moves.
  alerts: {
    url: env('ALERT_URL', {
      default: '',
      description: 'where alerts are POSTed: a webhook of Slack, Mattermost or your own',
    }),
  },
})
