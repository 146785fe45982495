/** One server-sent event, or only a `retry` that came without. */
export type ServerSentEvent = {
  event: string
  id?: string
  data: string
  retryMs?: number
}

/** `text/event-stream` as the HTML standard parses it (section 9.2.6). What the end cuts off is dropped. */
export async function* readEvents(chunks: AsyncIterable<string>): AsyncGenerator<ServerSentEvent> {
  let rest = ''
  let fields = new Map<string, string>()
  for await (const chunk of chunks) {
    rest += chunk
    // A carriage return at the very end may be half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line !== '') addField(fields, line)
      else {
        if (fields.size > 0) yield eventOf(fields)
        fields = new Map()
      }
    }
  }
}

function addField(fields: Map<string, string>, line: string): void {
  const colon = line.indexOf(':')
  // A comment.
  if (colon === 0) return
  const name = colon < 0 ? line : line.slice(0, colon)
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
  const before = name === 'data' ? fields.get('data') : undefined
  fields.set(name, before === undefined ? value : `${before}\n${value}`)
}

function eventOf(fields: Map<string, string>): ServerSentEvent {
  const id = fields.get('id')
  const retry = fields.get('retry') ?? ''
  return {
    event: fields.get('event') ?? 'message',
    data: fields.get('data') ?? '',
    ...(id === undefined ? {} : { id }),
    ...(/^\d{1,9}$/.test(retry) ? { retryMs: Number(retry) } : {}),
  }
}
