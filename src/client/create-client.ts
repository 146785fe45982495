import type { CancelledOrder } from '#http/orders/cancellation-routes.ts'
import type { OrderReport, PlacedOrder } from '#http/orders/order-answers.ts'
import type { Order } from '#messages/order.ts'

import { followOrder, type OrderEvent } from './follow-order.ts'
import { keyOfOrder } from './key-of-order.ts'
import { ProblemError } from './problem-error.ts'
import { type Connection, sendPatiently } from './send-patiently.ts'

export type ClientOptions = {
  /** Where Orderwheel is: `https://orders.example.com`, with or without a path. */
  url: string
  apiKey: string
  /** Default: the runtime's own. */
  fetch?: typeof globalThis.fetch
  /** For one call of a function of this client, everything it repeats included. Default 30. */
  timeoutSeconds?: number
  /** For one request; what has not answered by then is asked again. Default 10, which a payment has to fit into. */
  attemptTimeoutSeconds?: number
}

export type Asked = {
  /** Ends the waiting; the call rejects with its reason. */
  signal?: AbortSignal
}

export type PlaceOptions = Asked & {
  /** Default: made of the order, so that the same order sent again, by another process too, is placed once. */
  idempotencyKey?: string
}

export type CancelOptions = Asked & {
  /** Given to the targets, at most 1000 characters. */
  reason?: string
}

export type FollowOptions = Asked & {
  /** Of the last event that was received: the next one is told first. */
  lastEventId?: string
}

export type Client = {
  /**
   * Places an order, repeating the request with one key until it has an answer. Rejects with ProblemError when
   * the order is refused, and with NoAnswerError when it is not known whether it was placed: call again with the
   * same order, or the `idempotencyKey` of the error.
   */
  placeOrder: (order: Order, options?: PlaceOptions) => Promise<PlacedOrder>
  /** undefined: no such order. */
  getOrder: (id: string, options?: Asked) => Promise<OrderReport | undefined>
  /** By the storefront's own number. undefined: no such order. */
  findOrder: (externalId: string, options?: Asked) => Promise<OrderReport | undefined>
  /**
   * Cancels an order; a second time, it answers the first. Rejects with ProblemError when there is no such order
   * (`order-not-found`) or it cannot be cancelled (`order-not-cancellable`).
   */
  cancelOrder: (id: string, options?: CancelOptions) => Promise<CancelledOrder>
  /**
   * Each change of the order's state and of its deliveries, from its beginning, until nothing more will happen. Comes
   * back by itself when the stream breaks and misses nothing; rejects with ProblemError when there is no such order,
   * and with NoAnswerError when nobody could be reached for `timeoutSeconds`.
   */
  followOrder: (id: string, options?: FollowOptions) => AsyncIterable<OrderEvent>
}

/** A client for one Orderwheel and one API key. Throws when `url` is none. Keep the key out of browsers. */
export function createClient(options: ClientOptions): Client {
  const { url, apiKey, timeoutSeconds = 30, attemptTimeoutSeconds = 10 } = options
  const connection: Connection = {
    // Looked up at each call, so that what replaces the runtime's own later is used.
    fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
    timeoutSeconds,
    attemptTimeoutSeconds,
  }
  // A base without a slash at its end would lose its last part.
  const base = new URL(url.endsWith('/') ? url : `${url}/`)
  const headers = { authorization: `Bearer ${apiKey}`, accept: 'application/json' }

  async function read(path: string, signal?: AbortSignal): Promise<OrderReport | undefined> {
    try {
      const request = { url: new URL(path, base), init: { headers }, signal }
      return (await sendPatiently(connection, request)) as OrderReport
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'order-not-found') return undefined
      throw error
    }
  }

  return {
    async placeOrder(order, { idempotencyKey, signal } = {}) {
      const body = JSON.stringify(order)
      const key = idempotencyKey ?? (await keyOfOrder(order.externalId, body))
      const json = { 'content-type': 'application/json', 'idempotency-key': key }
      const init = { method: 'POST', headers: { ...headers, ...json }, body }
      const request = { url: new URL('orders', base), init, signal, idempotencyKey: key }
      return (await sendPatiently(connection, request)) as PlacedOrder
    },
    getOrder: (id, { signal } = {}) => read(`orders/${encodeURIComponent(id)}`, signal),
    findOrder: (externalId, { signal } = {}) =>
      read(`orders?externalId=${encodeURIComponent(externalId)}`, signal),
    async cancelOrder(id, { reason, signal } = {}) {
      const url = new URL(`orders/${encodeURIComponent(id)}/cancellation`, base)
      const json = { ...headers, 'content-type': 'application/json' }
      const body = JSON.stringify(reason === undefined ? {} : { reason })
      const request = { url, init: { method: 'POST', headers: json, body }, signal }
      return (await sendPatiently(connection, request)) as CancelledOrder
    },
    followOrder: (id, { signal, lastEventId } = {}) => {
      const url = new URL(`orders/${encodeURIComponent(id)}/events`, base)
      return followOrder(connection, { url, headers, signal, lastEventId })
    },
  }
}
