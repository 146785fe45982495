/** One request a target received, as `GET /<target>/calls` shows it. */
export type RecordedCall = {
  /** ISO 8601, when its head had arrived. */
  at: string
  method: string
  /** As received, query included. */
  path: string
  headers: Record<string, string>
  /** Parsed when it is JSON, else text. */
  body: unknown
  /** The body as received: what a webhook's signature covers. */
  rawBody: string
  idempotencyKey: string | null
  /** The status sent; null while it is under way and when the client went away before. */
  answered: number | null
  /** Null while it is under way. */
  durationMs: number | null
  /** Whether `dedupe` gave it the answer of an earlier call with the same key. */
  repeated: boolean
}

/** What is written down while a call is under way. */
export type OpenCall = {
  gotBody(text: string): void
  wasRepeated(): void
  /** Null: the client went away. Only the first one counts. */
  ended(answered: number | null): void
}

/** So that a benchmark of hours does not fill the memory. */
const maxCalls = 10_000
const maxBodyCharacters = 64 * 1024 * 1024

type Kept = Omit<RecordedCall, 'body'>

/** The last 10 000 calls of one target, fewer when their bodies are large (64 Mi characters in all). */
export class RecordedCalls {
  readonly #calls = new Set<Kept>()
  #bodyCharacters = 0

  record(call: Pick<RecordedCall, 'method' | 'path' | 'headers' | 'idempotencyKey'>): OpenCall {
    const startedAt = performance.now()
    const kept: Kept = {
      at: new Date().toISOString(),
      ...call,
      rawBody: '',
      answered: null,
      durationMs: null,
      repeated: false,
    }
    this.#calls.add(kept)
    this.#forgetOldest()
    return {
      gotBody: (text) => {
        kept.rawBody = text
        if (this.#calls.has(kept)) this.#bodyCharacters += text.length
        this.#forgetOldest()
      },
      wasRepeated: () => {
        kept.repeated = true
      },
      ended: (answered) => {
        if (kept.durationMs !== null) return
        kept.answered = answered
        kept.durationMs = Math.round(performance.now() - startedAt)
      },
    }
  }

  /** Oldest first. */
  list(): RecordedCall[] {
    return [...this.#calls].map(({ rawBody, ...call }) => ({
      ...call,
      body: parsed(rawBody, call.headers['content-type']),
      rawBody,
    }))
  }

  empty(): void {
    this.#calls.clear()
    this.#bodyCharacters = 0
  }

  #forgetOldest(): void {
    for (const oldest of this.#calls) {
      if (this.#calls.size <= maxCalls && this.#bodyCharacters <= maxBodyCharacters) return
      this.#calls.delete(oldest)
      this.#bodyCharacters -= oldest.rawBody.length
    }
  }
}

function parsed(text: string, contentType = ''): unknown {
  if (!/^application\/([^;]+\+)?json\b/i.test(contentType)) return text
  try {
    return JSON.parse(text)
  } catch {
    // A target that was sent broken JSON: shown as it came.
    return text
  }
}
