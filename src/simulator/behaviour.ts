import { Type, type Static } from 'typebox'

/** One hour: more than any target is waited for. */
const maxMs = 3_600_000

const latencyMs = Type.Integer({
  minimum: 0,
  maximum: maxMs,
  description: `a whole number of milliseconds from 0 to ${maxMs}`,
})
const share = Type.Number({
  minimum: 0,
  maximum: 1,
  description: 'a number from 0 (never) to 1 (always)',
})
const flag = Type.Boolean({ description: 'true or false' })

/** How a simulated target behaves: `PUT /<target>/behaviour` takes any of these. */
export const TargetBehaviour = Type.Object({
  /** Before the answer. Divided by the simulator's speed, like `jitterMs`. */
  latencyMs,
  /** The latency varies evenly by up to so much in both directions. */
  jitterMs: latencyMs,
  /** Share of the calls that are answered with 500. */
  errorRate: share,
  /** Answers every call with this status. Null: the target's own. */
  status: Type.Union([Type.Integer({ minimum: 200, maximum: 599 }), Type.Null()], {
    description: 'an HTTP status from 200 to 599, or null for the usual answer',
  }),
  /** Sent as `Retry-After` with 429 and 503. */
  retryAfterSeconds: Type.Union([Type.Integer({ minimum: 0, maximum: 86_400 }), Type.Null()], {
    description: 'a whole number of seconds from 0 to 86400, or null for no Retry-After',
  }),
  /** 503 at once for every call. */
  outage: flag,
  /** Reads the call and never answers. */
  hang: flag,
  /** A call whose `Idempotency-Key` was acted on before gets the first answer again. */
  dedupe: flag,
})
export type TargetBehaviour = Static<typeof TargetBehaviour>

/** How the SMTP server behaves: `PUT /mailbox/behaviour` takes any of these. */
export const MailboxBehaviour = Type.Object({
  /** Before the reply to a whole mail. Divided by the simulator's speed, like `jitterMs`. */
  latencyMs,
  /** The latency varies evenly by up to so much in both directions. */
  jitterMs: latencyMs,
  /** Share of the mails that are answered with 451, try again. */
  errorRate: share,
  /** Refuses every recipient with this reply code. Null: accepts them. */
  status: Type.Union([Type.Integer({ minimum: 400, maximum: 599 }), Type.Null()], {
    description: 'an SMTP reply code from 400 to 599, or null to accept mail',
  }),
  /** These addresses are refused with 550, whatever their case. */
  rejectRecipients: Type.Array(Type.String({ maxLength: 254 }), {
    maxItems: 1_000,
    description: 'a list of at most 1000 mail addresses',
  }),
  /** Refuses every connection with 421. */
  outage: flag,
  /** Takes the mail and never replies. */
  hang: flag,
  /** A mail with a known `Message-ID` is accepted but not kept a second time. */
  dedupe: flag,
})
export type MailboxBehaviour = Static<typeof MailboxBehaviour>

/**
 * Milliseconds before the usual answer of the targets of the demo shop. One after the other, as a shop
 * without Orderwheel would call them at checkout, they take 12 s, after 0.8 s for
 * the payment, and 8 s more on a day when the ERP is slow.
 */
export const usualLatenciesMs = {
  erp: 8_000,
  receipt: 3_000,
  'confirmation-email': 2_000,
  'partner-webhook': 2_000,
  'inventory-eu': 700,
  'inventory-us': 700,
  'inventory-asia': 600,
  analytics: 1_000,
  audit: 1_000,
  crm: 400,
  shipping: 300,
  sms: 200,
  push: 100,
} as const

/** Of the card gateway, for which a buyer waits with Orderwheel, too. */
export const paymentLatencyMs = 800

/** For a target the demo shop does not know. */
const unknownTargetLatencyMs = 500

const latencies = new Map(Object.entries({ ...usualLatenciesMs, payment: paymentLatencyMs }))

export function usualTargetBehaviour(target: string): TargetBehaviour {
  return {
    latencyMs: latencies.get(target) ?? unknownTargetLatencyMs,
    jitterMs: 0,
    errorRate: 0,
    status: null,
    retryAfterSeconds: null,
    outage: false,
    hang: false,
    dedupe: false,
  }
}

export function usualMailboxBehaviour(): MailboxBehaviour {
  return {
    latencyMs: usualLatenciesMs['confirmation-email'],
    jitterMs: 0,
    errorRate: 0,
    status: null,
    rejectRecipients: [],
    outage: false,
    hang: false,
    dedupe: false,
  }
}
