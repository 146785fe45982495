import type { OrderChange } from '#orders/order-changes.ts'

import { NoAnswerError } from './no-answer-error.ts'
import { pauseMs } from './pause-ms.ts'
import { ProblemError } from './problem-error.ts'
import { parse } from './read-answer.ts'
import { readEvents, type ServerSentEvent } from './read-events.ts'
import type { Connection } from './send-patiently.ts'
import { waitFor } from './wait-for.ts'

/** `id`: given back as `lastEventId`, the next event is the one after this. */
export type OrderEvent = OrderChange & { id: string }

export type FollowRequest = {
  url: URL
  headers: Record<string, string>
  signal?: AbortSignal | undefined
  lastEventId?: string | undefined
}

// It sends a comment every 15 s.
const longestSilenceMs = 45_000

/**
 * Each change of an order, once, in order, until nothing more will happen. Comes back by itself when the stream ends
 * or breaks, and goes on where it was; rejects with NoAnswerError when nobody could be reached for `timeoutSeconds`.
 */
export async function* followOrder(
  connection: Connection,
  { url, headers, signal, lastEventId }: FollowRequest,
): AsyncGenerator<OrderEvent, void> {
  let id = lastEventId
  let retryMs = 0
  let failures = 0
  // Not since something was last heard: an order may have nothing to say for hours, and a caller takes its time.
  let unreachedSince = performance.now()
  for (;;) {
    signal?.throwIfAborted()
    let wasReached = false
    let failure = new Error('the stream of events ended')
    try {
      const resume: Record<string, string> = id === undefined ? {} : { 'last-event-id': id }
      for await (const sent of listen(connection, {
        url,
        signal,
        headers: { ...headers, ...resume },
      })) {
        if (sent.kind === 'over') return
        wasReached = true
        // Not for a connection that ends before it says anything: those come at longer and longer intervals.
        if (sent.event) failures = 0
        retryMs = sent.event?.retryMs ?? retryMs
        if (sent.event?.id !== undefined && sent.event.data !== '') {
          id = sent.event.id
          yield {
            ...(JSON.parse(sent.event.data) as OrderChange),
            event: sent.event.event,
            id,
          } as OrderEvent
        }
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ProblemError && !error.mayBeRepeated) throw error
      failure = error instanceof Error ? error : new Error(String(error))
    }
    if (wasReached) unreachedSince = performance.now()
    failures += 1
    const asked = failure instanceof ProblemError ? failure.retryAfterSeconds : undefined
    const pause = pauseMs(failures, asked ?? retryMs / 1_000)
    if (performance.now() + pause - unreachedSince >= connection.timeoutSeconds * 1_000)
      throw new NoAnswerError(failures, { cause: failure, idempotencyKey: undefined })
    await waitFor(pause, signal)
  }
}

type Heard = { kind: 'over' } | { kind: 'heard'; event?: ServerSentEvent }

/** One connection. `over`: the server says that nothing more will happen. */
async function* listen(
  { fetch, attemptTimeoutSeconds }: Connection,
  { url, headers, signal }: FollowRequest,
): AsyncGenerator<Heard> {
  const silence = new AbortController()
  const until = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal
  const heard = <T>(coming: Promise<T>, withinMs = longestSilenceMs): Promise<T> => {
    const timer = setTimeout(
      () => silence.abort(new Error(`nothing was heard for ${withinMs / 1_000} s`)),
      withinMs,
    )
    return coming.finally(() => clearTimeout(timer))
  }
  try {
    const asked = { headers: { ...headers, accept: 'text/event-stream' }, signal: until }
    const answer = await heard(
      fetch(url, { ...asked, redirect: 'manual' }),
      attemptTimeoutSeconds * 1_000,
    )
    if (answer.status === 204) {
      yield { kind: 'over' }
      return
    }
    if (!answer.ok || answer.body === null)
      throw new ProblemError(answer, parse(await heard(answer.text())))
    if (!answer.headers.get('content-type')?.startsWith('text/event-stream'))
      throw new Error('what answered is no stream of events')
    yield { kind: 'heard' }
    for await (const event of readEvents(textsOf(answer.body, heard))) {
      if (event.event === 'end') yield { kind: 'over' }
      else yield { kind: 'heard', event }
    }
  } finally {
    // Whoever stops following lets the connection go.
    silence.abort()
  }
}

async function* textsOf(
  body: ReadableStream<Uint8Array>,
  heard: <T>(coming: Promise<T>) => Promise<T>,
): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  for (;;) {
    const { done, value } = await heard(reader.read())
    if (done) return
    yield decoder.decode(value, { stream: true })
  }
}
