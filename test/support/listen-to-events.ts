export type ReceivedEvent = { event: string; id: string | undefined; data: Record<string, unknown> }

export type Listener = {
  status: number
  headers: Headers
  /** Those that have arrived so far. */
  events: ReceivedEvent[]
  /** Lines that are no event. */
  comments: string[]
  /** What the answer is when it is no stream. */
  problem: unknown
  /** Resolves when the server has ended the stream, or the connection broke. */
  ended: Promise<void>
  leave(): Promise<void>
}

/** Listens to server-sent events as a browser does, without coming back by itself. */
export async function listenToEvents(
  url: string,
  headers: Record<string, string> = {},
): Promise<Listener> {
  const leaving = new AbortController()
  const answer = await fetch(url, { headers, signal: leaving.signal })
  const events: ReceivedEvent[] = []
  const comments: string[] = []
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream')
  const problem = isStream ? undefined : parse(await answer.text())
  const ended = isStream ? receive(answer, { events, comments }) : Promise.resolve()
  return {
    status: answer.status,
    headers: answer.headers,
    events,
    comments,
    problem,
    ended,
    async leave() {
      leaving.abort()
      await ended
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function receive(
  answer: Response,
  { events, comments }: Pick<Listener, 'events' | 'comments'>,
): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of answer.body ?? []) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true })
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = readEvent(block)
        if (event) events.push(event)
        else comments.push(block)
      }
    }
  } catch {
    // The connection broke, or we left.
  }
}

function readEvent(block: string): ReceivedEvent | undefined {
  const fields = new Map(
    block
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  )
  const data = fields.get('data')
  if (data === undefined) return undefined
  return {
    event: fields.get('event') ?? 'message',
    id: fields.get('id'),
    data: JSON.parse(data) as Record<string, unknown>,
  }
}
