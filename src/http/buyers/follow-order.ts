import type { FastifyReply } from 'fastify'

import { HttpProblem } from '#http/http-problem.ts'
import type { WatchedOrder } from '#orders/read-watched.ts'
import type { OrderWatch } from '#orders/watch-orders.ts'

import { type EventStream, openEventStream, type SentEvent } from './event-stream.ts'
import type { EventStreams, ListenerKind } from './event-streams.ts'
import { tellEvents, type Teller } from './tell-events.ts'

export type Follow = {
  watch: OrderWatch
  streams: EventStreams
  reply: FastifyReply
  orderId: string
  listener: ListenerKind
  /** What the listener lacks of an order that is like this now; notes each event as it is taken. */
  eventsOf: (order: WatchedOrder) => Iterator<SentEvent, void>
  /** Whether there will be no more of them. */
  isOver: (order: WatchedOrder) => boolean
  /** Whether it was told something before. */
  resumes: boolean
}

/**
 * Streams what happens to an order until nothing more will, then says `end`. A listener that comes back after that is
 * answered 204, which ends it for good; one that leaves before the first look is answered nothing. Throws
 * `order-not-found` and `too-many-listeners`.
 */
export async function followOrder(follow: Follow): Promise<void> {
  const { watch, streams, reply, orderId, listener, eventsOf, isOver, resumes } = follow
  const { socket } = reply.request.raw
  // It has said so already, and will not again.
  if (socket.destroyed) return giveUp(reply)
  const giveBack = streams.takePlace(orderId, listener)
  let stream: EventStream | undefined
  let teller: Teller | undefined
  const watcher = watch.watch(orderId, (order) => teller?.changed(order))
  let hasLeft = false
  const leave = () => {
    if (hasLeft) return
    hasLeft = true
    socket.off('close', leave)
    watcher.leave()
    giveBack()
    if (stream) streams.remove(stream)
  }
  // Before anything is waited for: a connection says only once that it is closed.
  socket.once('close', leave)
  try {
    const order = await watcher.first
    if (hasLeft) return giveUp(reply)
    if (!order) throw new HttpProblem('order-not-found')
    const events = eventsOf(order)
    const first = events.next()
    if (resumes && first.done && isOver(order)) {
      leave()
      void reply.code(204).send()
      return
    }
    stream = openEventStream(reply, { onRoom: () => teller?.goOn(), onEnd: leave })
    streams.add(stream)
    teller = tellEvents({ stream, eventsOf, isOver, again: watcher.again })
    teller.begin({ order, events, first })
  } catch (error) {
    leave()
    throw error
  }
}

/** Nobody is there to be answered. */
function giveUp(reply: FastifyReply): void {
  reply.hijack()
}
