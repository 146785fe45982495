import type { WatchedOrder } from '#orders/read-watched.ts'

import type { EventStream, SentEvent } from './event-stream.ts'

export type Teller = {
  /** `first`: taken from `events` already. */
  begin: (telling: Telling & { first: IteratorResult<SentEvent, void> }) => void
  /** The order is like this now. undefined: it was deleted. */
  changed: (order: WatchedOrder | undefined) => void
  /** The listener has taken what was sent. */
  goOn: () => void
}

type Telling = { order: WatchedOrder; events: Iterator<SentEvent, void> }

export type TellOptions = {
  stream: EventStream
  eventsOf: (order: WatchedOrder) => Iterator<SentEvent, void>
  isOver: (order: WatchedOrder) => boolean
  /** Asks for the order as it is by then. */
  again: () => void
}

/**
 * Tells one listener, at its pace: while it does not read, the order as it was is kept, and nothing that is made of
 * it. What changed meanwhile is asked for afterwards.
 */
export function tellEvents({ stream, eventsOf, isOver, again }: TellOptions): Teller {
  let telling: Telling | undefined
  let hasMissed = false

  function goOn() {
    if (!telling) return
    const { order, events } = telling
    // Not for…of: leaving it would end the events.
    for (let next = events.next(); !next.done; next = events.next())
      if (!stream.send(next.value)) return
    telling = undefined
    if (isOver(order)) {
      stream.send({ event: 'end', data: {} })
      stream.end()
    } else if (hasMissed) {
      hasMissed = false
      again()
    }
  }

  return {
    begin({ first, ...begun }) {
      telling = begun
      if (first.done || stream.send(first.value)) goOn()
    },
    changed(order) {
      if (!order) stream.end()
      else if (telling) hasMissed = true
      else {
        telling = { order, events: eventsOf(order) }
        goOn()
      }
    },
    goOn,
  }
}
