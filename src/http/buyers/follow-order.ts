import type { FastifyReply } from 'fastify'

import { HttpProblem } from '#http/http-problem.ts'
import type { WatchedOrder } from '#orders/read-watched.ts'
import type { OrderWatch } from '#orders/watch-orders.ts'

import { openEventStream, type SentEvent } from './event-stream.ts'
import type { EventStreams } from './event-streams.ts'
import { tellEvents, type Teller } from './tell-events.ts'

export type Follow = {
  watch: OrderWatch
  streams: EventStreams
  reply: FastifyReply
  orderId: string
  /** What the listener lacks of an order that is like this now; notes each event as it is taken. */
  eventsOf: (order: WatchedOrder) => Iterator<SentEvent, void>
  /** Whether there will be no more of them. */
  isOver: (order: WatchedOrder) => boolean
  /** Whether it was told something before. */
  resumes: boolean
}

/**
 * Streams what happens to an order until nothing more will, then says `end`. A listener that comes back after that is
 * answered 204, which ends it for good. Throws `order-not-found` and `too-many-listeners`.
 */
export async function followOrder(follow: Follow): Promise<void> {
  const { watch, streams, reply, orderId, eventsOf, isOver, resumes } = follow
  const giveBack = streams.takePlace(orderId)
  let teller: Teller | undefined
  const watcher = watch.watch(orderId, (order) => teller?.changed(order))
  let hasLeft = false
  const leave = () => {
    if (hasLeft) return
    hasLeft = true
    watcher.leave()
    giveBack()
  }
  try {
    const order = await watcher.first
    if (!order) throw new HttpProblem('order-not-found')
    const events = eventsOf(order)
    const first = events.next()
    if (resumes && first.done && isOver(order)) {
      leave()
      void reply.code(204).send()
      return
    }
    const stream = openEventStream(reply, {
      onRoom: () => teller?.goOn(),
      onEnd() {
        leave()
        streams.remove(stream)
      },
    })
    streams.add(stream)
    teller = tellEvents({ stream, eventsOf, isOver, again: watcher.again })
    teller.begin({ order, events, first })
  } catch (error) {
    leave()
    throw error
  }
}
