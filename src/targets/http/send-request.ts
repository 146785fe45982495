import type { Dispatcher } from 'undici'

/** What is read of an answer; the rest is dropped with the connection. Errors fit many times over. */
export const maxAnswerBytes = 65_536

export type HttpRequest = {
  url: URL
  method: string
  headers: Readonly<Record<string, string>>
  body: string | Uint8Array | null
}

/** What a target answered. Header names are in lower case, repeated ones are joined. */
export type HttpAnswer = {
  status: number
  headers: Readonly<Record<string, string>>
  /** At most `maxAnswerBytes`. */
  text: string
  /** There was more than `maxAnswerBytes`. */
  truncated: boolean
  /** The text as JSON; undefined when it is not. */
  json: () => unknown
}

/** What became of one request: the difference between the last two decides whether repeating it is safe. */
export type Exchange =
  | { kind: 'answered'; answer: HttpAnswer }
  /** Not a byte of it reached the target. */
  | { kind: 'not-sent'; error: unknown }
  /** It may have been acted upon. `begun` is an answer that began and did not end. */
  | { kind: 'unanswered'; error: unknown; begun?: HttpAnswer }

/**
 * One HTTP/1.1 request, never repeated, never redirected. Does not throw; ends at once when `signal` aborts.
 *
 * Whether it was sent: undici calls `onRequestStart` when the connection (TLS included) stands and, in the
 * same tick, writes the request (`writeH1` in undici's client-h1.js). Refused connections, unknown names,
 * failed handshakes and connect timeouts come as `onResponseError` without it. `undici.request` hides this
 * moment, and does not look at its signal before it: hence a handler of our own.
 */
export function sendRequest(
  dispatcher: Dispatcher,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let open: Dispatcher.DispatchController | undefined
    let begun: { status: number; headers: Record<string, string> } | undefined
    const chunks: Buffer[] = []
    let bytes = 0
    let ended = false

    const end = (exchange: Exchange) => {
      ended = true
      signal.removeEventListener('abort', abort)
      resolve(exchange)
    }
    const fail = (error: unknown) => {
      if (ended) return
      if (!open) return end({ kind: 'not-sent', error })
      if (!begun) return end({ kind: 'unanswered', error })
      end({ kind: 'unanswered', error, begun: createAnswer(begun, chunks) })
    }
    const abort = () => {
      fail(signal.reason)
      open?.abort(new Error('the call was ended'))
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort)

    dispatcher.dispatch(dispatchOptions(request), {
      onRequestStart(controller) {
        // Ended while connecting: aborting here keeps the request from being written.
        if (ended) return controller.abort(new Error('the call was ended'))
        open = controller
      },
      onResponseStart(_controller, status, headers) {
        if (status >= 200) begun = { status, headers: joinRepeated(headers) }
      },
      onResponseData(controller, chunk) {
        if (ended || !begun) return
        chunks.push(chunk.subarray(0, maxAnswerBytes - bytes))
        bytes += chunk.length
        if (bytes <= maxAnswerBytes) return
        end({ kind: 'answered', answer: { ...createAnswer(begun, chunks), truncated: true } })
        controller.abort(new Error('the answer is too long'))
      },
      onResponseEnd() {
        if (ended || !begun) return
        end({ kind: 'answered', answer: createAnswer(begun, chunks) })
      },
      onResponseError(_controller, error) {
        fail(error)
      },
    })
  })
}

function dispatchOptions({ url, method, headers, body }: HttpRequest): Dispatcher.DispatchOptions {
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: { ...credentialsOf(url), 'user-agent': 'Orderwheel', ...headers },
    body,
  }
}

/** `https://user:password@host`, as other HTTP clients take it. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (!username) return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}

function joinRepeated(headers: Record<string, string | string[] | undefined>) {
  const joined: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return joined
}

function createAnswer(
  begun: { status: number; headers: Record<string, string> },
  chunks: Buffer[],
): HttpAnswer {
  const text = Buffer.concat(chunks).toString('utf8')
  return { ...begun, text, truncated: false, json: () => parseJson(text) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
