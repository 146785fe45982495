import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'

import { readPulses, readWatched, type WatchedOrder } from './read-watched.ts'

export type OrderWatch = {
  /** Watches an order: `changed` is called whenever it is another than it was, after `first`, which says how it is. */
  watch: (orderId: string, changed: (order: WatchedOrder | undefined) => void) => Watcher
  /** How an order is; shares its statement with whoever else asks at that time. undefined: no such order. */
  read: (orderId: string) => Promise<WatchedOrder | undefined>
  /** Tells nobody anything any more; resolves when the look under way has ended. May be called twice. */
  close: () => Promise<void>
}

export type Watcher = {
  /** Rejects when the database cannot be asked. Also undefined: it left before. */
  first: Promise<WatchedOrder | undefined>
  /** Calls `changed` soon, whether it did or not. */
  again: () => void
  leave: () => void
}

export type WatchOptions = {
  db: Db
  log: Log
  /** How often all watched orders are looked at. Default 1 000. */
  everyMs?: number
}

// What is asked for within this time is read together.
const gatherMs = 50
// Reading thousands of orders in one statement would keep others waiting for a connection's answer.
const mostPulses = 1_000
const mostOrders = 200

type Listener = {
  changed: (order: WatchedOrder | undefined) => void
  /** Of its first look; gone after that. */
  first: PromiseWithResolvers<WatchedOrder | undefined> | undefined
}

type Watched = { pulse: string | undefined; listeners: Set<Listener> }

/**
 * One look at all orders that are watched, each second, whoever watches them: a statement for a thousand orders, and
 * another for those that changed. Nobody watching, nothing is asked. A database that is away is asked again; watchers
 * notice nothing but that they are told later.
 */
export function watchOrders({ db, log, everyMs = 1_000 }: WatchOptions): OrderWatch {
  const watched = new Map<string, Watched>()
  const wanted = new Map<string, Set<Listener>>()
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  let hasFailed = false
  let isClosed = false

  function watch(orderId: string, changed: Listener['changed']): Watcher {
    const first = Promise.withResolvers<WatchedOrder | undefined>()
    const listener: Listener = { changed, first }
    const order = watched.get(orderId) ?? { pulse: undefined, listeners: new Set() }
    order.listeners.add(listener)
    watched.set(orderId, order)
    want(orderId, listener)
    return {
      first: first.promise,
      again: () => want(orderId, listener),
      leave() {
        wanted.get(orderId)?.delete(listener)
        order.listeners.delete(listener)
        if (order.listeners.size === 0 && watched.get(orderId) === order) watched.delete(orderId)
        listener.first?.resolve(undefined)
        listener.first = undefined
      },
    }
  }

  function want(orderId: string, listener: Listener) {
    if (!watched.get(orderId)?.listeners.has(listener)) return
    const listeners = wanted.get(orderId) ?? new Set()
    wanted.set(orderId, listeners.add(listener))
    schedule()
  }

  function schedule() {
    clearTimeout(timer)
    if (looking || isClosed || watched.size === 0) return
    const untilNext = Math.max(0, lookedAt + everyMs - performance.now())
    timer = setTimeout(
      start,
      wanted.size > 0 && !hasFailed ? Math.min(gatherMs, untilNext) : untilNext,
    )
  }

  function start() {
    looking = look().finally(() => {
      looking = undefined
      schedule()
    })
  }

  async function look() {
    const isRegular = performance.now() >= lookedAt + everyMs
    if (isRegular) lookedAt = performance.now()
    const asked = new Map(wanted)
    wanted.clear()
    hasFailed = false
    try {
      for (const ids of inChunks([...(isRegular ? watched : asked).keys()], mostPulses))
        await tellOf(ids, asked)
    } catch (error) {
      hasFailed = true
      log.warn({ err: error }, 'cannot look at watched orders, trying again')
      for (const [orderId, listeners] of asked)
        for (const listener of listeners) giveUp(orderId, listener, error)
    }
  }

  /** Whoever waits for the first look is answered; the others have time. */
  function giveUp(orderId: string, listener: Listener, error: unknown) {
    if (!listener.first) {
      want(orderId, listener)
      return
    }
    listener.first.reject(error)
    listener.first = undefined
  }

  async function tellOf(ids: readonly string[], asked: ReadonlyMap<string, Set<Listener>>) {
    const pulses = await readPulses(db, ids)
    const changed = ids.filter((id) => watched.get(id)?.pulse !== pulses.get(id) || asked.has(id))
    for (const some of inChunks(changed, mostOrders)) {
      const orders = await readWatched(db, some)
      for (const id of some)
        tell(id, orders.get(id), { pulse: pulses.get(id), asked: asked.get(id) })
    }
  }

  function tell(
    orderId: string,
    order: WatchedOrder | undefined,
    { pulse, asked }: { pulse: string | undefined; asked: Set<Listener> | undefined },
  ) {
    const entry = watched.get(orderId)
    if (!entry || isClosed) return
    const isOther = entry.pulse !== pulse
    entry.pulse = pulse
    for (const listener of isOther ? [...entry.listeners] : (asked ?? [])) {
      if (!listener.first) listener.changed(order)
      else if (asked?.has(listener)) {
        listener.first.resolve(order)
        listener.first = undefined
      }
    }
  }

  return {
    watch,
    async read(orderId) {
      const { first, leave } = watch(orderId, () => {})
      return first.finally(leave)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      await looking
    },
  }
}

function inChunks(ids: readonly string[], size: number): string[][] {
  const count = Math.ceil(ids.length / size)
  return Array.from({ length: count }, (_, n) => ids.slice(n * size, (n + 1) * size))
}
