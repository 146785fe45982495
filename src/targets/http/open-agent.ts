import { Agent, type buildConnector } from 'undici'

import type { TargetOptions } from '#targets/target.ts'

/** A quiet shop's next order finds a connection; nothing on the way has forgotten it, as firewalls do in minutes. */
const maxKeptMilliseconds = 30_000

/**
 * A target's own connections, so that a slow target holds up no other. There is no limit to them: the worker
 * bounds the calls, by a concurrency that changes while it runs, and a call that waited here for a connection
 * would spend its deadline. They are two for each call at a time at most, because undici takes the first that is
 * free, and one that has just answered is free a turn of the event loop later. Those of a burst fall idle, and are
 * closed after 4 s (`keepAliveTimeout`) or what the target's `Keep-Alive` header offers, up to
 * `maxKeptMilliseconds`. The call's signal is the deadline; the times of headers and body only make sure that
 * undici ends what the signal should have ended.
 */
export function openAgent(
  { timeoutSeconds, idempotent }: TargetOptions,
  connect?: buildConnector.connector,
): Agent {
  const milliseconds = timeoutSeconds * 1_000
  return new Agent({
    connections: null,
    keepAliveMaxTimeout: maxKeptMilliseconds,
    // 0 is a new connection for each call: a kept one can be closed by the target just as the next request
    // is written, and then nobody knows whether it was read.
    pipelining: idempotent ? 1 : 0,
    // One request a connection at a time: a connection that ends says which request it was.
    allowH2: false,
    connect: connect ?? { timeout: milliseconds },
    headersTimeout: milliseconds + 1_000,
    bodyTimeout: milliseconds + 1_000,
  })
}
