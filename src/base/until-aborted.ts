import { once } from 'node:events'

/** Resolves when the signal aborts; at once when it has. For signals that end with their user. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
