import type { KeyObject } from 'node:crypto'
import type { LookupFunction } from 'node:net'

import { Type, type Static } from 'typebox'

import { isMessageKind } from '#messages/message-kinds.ts'
import { giveUp, type Outcome } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import {
  kindOfTarget,
  toldOf,
  type FromEnvironment,
  type TargetDefinition,
  type Told,
} from '#targets/target-kind.ts'
import { commonOptions, fillTargetOptions } from '#targets/target-options.ts'
import type { Call, Target } from '#targets/target.ts'

import { classifyAnswer } from './classify-answer.ts'
import { connectPublic, PrivateAddressRefused } from './connect-public.ts'
import { editedBody, readBody, writeBody, type WrittenRequest } from './edit-request.ts'
import { explainMissingAnswer } from './explain-exchange.ts'
import { findWebhookMistakes } from './find-webhook-mistakes.ts'
import { openAgent } from './open-agent.ts'
import { originOf } from './origin-of.ts'
import { sendRequest, type Exchange, type HttpRequest } from './send-request.ts'
import { signWebhook, webhookKey } from './sign-webhook.ts'
import { splitEntries } from './split-entries.ts'

const TextOrList = Type.Union([Type.String(), Type.Array(Type.String())])

const WebhookOptions = Type.Object(
  {
    url: Type.String(),
    secret: TextOrList,
    allowPrivate: Type.Optional(TextOrList),
    payload: Type.Optional(Type.Unsafe<(told: Told) => unknown>({ type: 'function' })),
    ...commonOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof WebhookOptions>

/**
 * - `secret`: `whsec_…`, several in a list or with spaces between them while receivers change over.
 * - `allowPrivate`: hosts, addresses and ranges inside the network that may be called, and without TLS.
 * - `payload`: what is sent instead of `{ type, timestamp, data }`, whose `data` is the order, or the payload of a
 *   message of a kind that the configuration declares.
 */
export type WebhookOptions = FromEnvironment<Options>

/**
 * A partner's endpoint, told as Standard Webhooks 1.0 says. Only https and only public addresses, unless
 * `allowPrivate` names the host; redirects are never followed. 2xx is delivered; 408, 425, 429 and 5xx are
 * tried again, not before `Retry-After`; everything else (410: gone) is given up.
 */
export function webhook(options: WebhookOptions): TargetDefinition {
  return { kind: 'webhook', options }
}

export const webhookKind = kindOfTarget({
  schema: WebhookOptions,
  findMistakes: findWebhookMistakes,
  create: (name, options) => createWebhook(name, options),
})

/** `lookup` is the system's resolver, unless a test has to see what an address does that changes. */
export function createWebhook(name: string, options: Options, lookup?: LookupFunction): Target {
  const target = fillTargetOptions(options)
  const allowPrivate = splitEntries(options.allowPrivate)
  const keys = splitEntries(options.secret).map(webhookKey)
  const agent = openAgent(
    target,
    connectPublic(allowPrivate, target.timeoutSeconds * 1_000, lookup),
  )
  return {
    ...target,
    name,
    kind: 'webhook',
    call: (call) =>
      tell(call, {
        name,
        options,
        keys,
        send: (request) => sendRequest(agent, request, call.signal),
      }),
    address: originOf(options.url),
    editing: {
      write: async (told, edited) => writeRequest(name, options, { told, edited }),
      read: (text) => readBody(text, 'json'),
    },
    close: () => agent.destroy(),
  }
}

type Partner = {
  name: string
  options: Options
  keys: readonly KeyObject[]
  send: (request: HttpRequest) => Promise<Exchange>
}

async function tell(call: Call, { name, options, keys, send }: Partner): Promise<Outcome> {
  const body = bodyOf(options, { told: toldOf(call), edited: call.edited })
  if (body instanceof Error)
    return giveUp(storableReason(`targets.${name}.payload: ${body.message}`))
  const webhook = {
    id: webhookId(call.message.id),
    timestampSeconds: Math.floor(Date.now() / 1_000),
    body,
  }
  const exchange = await send({
    url: new URL(options.url),
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': call.idempotencyKey,
      ...signWebhook(webhook, keys),
    },
    body,
  })
  if (exchange.kind === 'answered') return classifyAnswer(exchange.answer)
  if (exchange.error instanceof PrivateAddressRefused) return giveUp(exchange.error.message)
  // A receiver says all it has to say with the status.
  if (exchange.kind === 'unanswered' && exchange.begun) return classifyAnswer(exchange.begun)
  return explainMissingAnswer(exchange)
}

function writeRequest(
  name: string,
  options: Options,
  order: { told: Told; edited: unknown },
): WrittenRequest {
  const body = bodyOf(options, order)
  return body instanceof Error
    ? { mistake: `targets.${name}.payload: ${body.message}.` }
    : writeBody(body, 'application/json')
}

function bodyOf(
  { payload = defaultPayload }: Options,
  { told, edited }: { told: Told; edited: unknown },
): string | Error {
  return serialise(() => payload(told), edited)
}

/** The same for every attempt; a dot would end the id inside what is signed. */
function webhookId(messageId: string): string {
  return `msg_${messageId.replaceAll('.', '')}`
}

function defaultPayload(told: Told): unknown {
  const { kind, createdAt, payload } = told.message
  return { type: kind, timestamp: createdAt, data: isMessageKind(kind) ? told.order : payload }
}

/** Once: what is signed is what is sent, byte for byte. */
function serialise(payload: () => unknown, edited: unknown): string | Error {
  try {
    const body: unknown = editedBody(edited)?.body ?? JSON.stringify(payload())
    return typeof body === 'string' ? body : new TypeError('returned nothing to send')
  } catch (error) {
    return new Error(`threw: ${reasonOf(error)}`)
  }
}
