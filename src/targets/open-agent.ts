import { Agent, type buildConnector } from 'undici'

import type { TargetOptions } from './target.ts'

/**
 * A target's own connections: as many as its calls at a time, so that a slow target holds up no other
 * and no call waits for a connection. The call's signal is the deadline; the times here only make sure
 * that undici ends what the signal should have ended.
 */
export function openAgent(
  { concurrency, timeoutSeconds, idempotent }: TargetOptions,
  connect?: buildConnector.connector,
): Agent {
  const milliseconds = timeoutSeconds * 1_000
  return new Agent({
    connections: concurrency,
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
