import { Agent, type buildConnector } from 'undici'

import type { TargetOptions } from './target.ts'

/**
 * A target's own connections: as many as its calls at a time, so that a slow target holds up no other
 * and no call waits for a connection. The call's signal is the deadline; the times here only make sure
 * that undici ends what the signal should have ended.
 */
export function openAgent(
  { concurrency, timeoutSeconds }: TargetOptions,
  connect?: buildConnector.connector,
): Agent {
  const milliseconds = timeoutSeconds * 1_000
  return new Agent({
    connections: concurrency,
    pipelining: 1,
    // One request a connection at a time: a connection that ends says which request it was.
    allowH2: false,
    connect: connect ?? { timeout: milliseconds },
    headersTimeout: milliseconds + 1_000,
    bodyTimeout: milliseconds + 1_000,
  })
}
