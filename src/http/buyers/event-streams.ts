import { HttpProblem } from '#http/http-problem.ts'
import type { StreamLimits } from '#http/limits.ts'

import type { EventStream } from './event-stream.ts'

/** A buyer has nothing but a link; a storefront has a key. */
export type ListenerKind = 'buyer' | 'storefront'

/** The event streams of this process: counted, kept alive, and ended with it. */
export function createEventStreams({
  maxListeners,
  maxBuyers,
  maxListenersPerOrder,
  beatSeconds,
  maxStreamSeconds,
}: StreamLimits) {
  const open = new Map<EventStream, { endsAt: number }>()
  const places = new Map<string, number>()
  let taken = 0
  let takenByBuyers = 0

  const beating = setInterval(() => {
    const now = performance.now()
    for (const [stream, { endsAt }] of open) {
      if (now > endsAt) stream.end()
      else stream.beat()
    }
  }, beatSeconds * 1_000).unref()

  return {
    /**
     * Takes a place for a listener, or throws `too-many-listeners`. Answers what gives it back, once. However many
     * buyers there are, of an order or of all, they leave the places of storefronts alone.
     */
    takePlace(orderId: string, kind: ListenerKind): () => void {
      const buyers = kind === 'buyer' ? 1 : 0
      const key = `${kind} ${orderId}`
      const ofOrder = places.get(key) ?? 0
      const isFull = taken >= maxListeners || takenByBuyers + buyers > maxBuyers
      if (isFull || ofOrder >= maxListenersPerOrder) throw tooMany()
      taken += 1
      takenByBuyers += buyers
      places.set(key, ofOrder + 1)
      return () => {
        taken -= 1
        takenByBuyers -= buyers
        const left = (places.get(key) ?? 1) - 1
        if (left === 0) places.delete(key)
        else places.set(key, left)
      }
    },
    add(stream: EventStream) {
      // Listeners that came together do not come back together.
      const seconds = maxStreamSeconds * (0.75 + Math.random() / 4)
      open.set(stream, { endsAt: performance.now() + seconds * 1_000 })
    },
    remove: (stream: EventStream) => open.delete(stream),
    /** They come back to another process. */
    endAll() {
      clearInterval(beating)
      for (const stream of open.keys()) stream.end()
    },
  }
}

export type EventStreams = ReturnType<typeof createEventStreams>

function tooMany(): HttpProblem {
  const detail = 'This process has as many listeners as it takes, of this order or of all.'
  return new HttpProblem('too-many-listeners', { detail }, { 'retry-after': '10' })
}
