import type { IncomingMessage, ServerResponse } from 'node:http'

import { usualTargetBehaviour, type TargetBehaviour } from './behaviour.ts'
import type { Played, PlayedCall } from './card-gateway.ts'
import { readBody } from './read-body.ts'
import { RecordedCalls } from './recorded-calls.ts'
import { nextNumber, usualAnswer, type SimulatedAnswer } from './usual-answer.ts'
import type { Wait } from './wait.ts'

/** A day of retries of a large benchmark. */
const maxFirstAnswers = 100_000

/** A slow system as Orderwheel meets it: records every call and answers as it was told to behave. */
export class SimulatedTarget {
  readonly name: string
  readonly calls = new RecordedCalls()
  behaviour: TargetBehaviour
  readonly #wait: Wait
  readonly #play: Play | undefined
  readonly #firstAnswers = new Map<string, Promise<SimulatedAnswer>>()
  #wasCalled = false

  /** With `play`, what it answers when nothing else is wanted depends on what it was sent before. */
  constructor(name: string, wait: Wait, play?: Play) {
    this.name = name
    this.#play = play
    this.behaviour = usualTargetBehaviour(name)
    this.#wait = wait
  }

  /** Since the simulator started, whether or not the calls were forgotten. */
  get wasCalled(): boolean {
    return this.#wasCalled
  }

  /** Records the call at once, so that one under way or never answered is seen too. */
  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#wasCalled = true
    const key = request.headers['idempotency-key']
    const call = this.calls.record({
      method: request.method ?? '',
      path: request.url ?? '',
      headers: headersOf(request),
      idempotencyKey: typeof key === 'string' ? key : null,
    })
    response.on('close', () => call.ended(null))

    // How it behaves is settled when the call arrives, whatever changes while it waits.
    const behaviour = this.behaviour
    const body = await readBody(request)
    call.gotBody(body.text)
    if (behaviour.hang) return
    const answer = body.tooLarge
      ? tooLarge
      : await this.#answer(behaviour, this.#read(request, body.text), () => call.wasRepeated())
    if (response.destroyed || !answer) return
    send(response, behaviour, answer)
    call.ended(answer.status)
  }

  #read({ method = '', url = '', headers }: IncomingMessage, text: string): PlayedCall {
    const path = (url.split('?')[0] ?? '').slice(`/${this.name}`.length)
    const key = headers['idempotency-key']
    return { method, path, key: typeof key === 'string' ? key : undefined, body: parse(text) }
  }

  async #answer(
    behaviour: TargetBehaviour,
    call: PlayedCall,
    repeated: () => void,
  ): Promise<Played> {
    const { key } = call
    if (behaviour.outage) return failure(503, `${this.name} is down.`)
    if (this.#play) return this.#playAfter(behaviour, call, this.#play)
    if (!behaviour.dedupe || !key) return this.#work(behaviour, call)
    const first = this.#firstAnswers.get(key)
    if (first) {
      repeated()
      return first
    }
    return this.#workOnce(behaviour, call, key)
  }

  async #playAfter(behaviour: TargetBehaviour, call: PlayedCall, play: Play): Promise<Played> {
    await this.#wait(behaviour)
    if (Math.random() < behaviour.errorRate) return failure(500, `${this.name} failed.`)
    const { status } = behaviour
    return status === null ? play(call) : failure(status, `${this.name} answers ${status}.`)
  }

  /** Kept from the start, so that a repetition that overtakes the first call waits for its answer. */
  async #workOnce(
    behaviour: TargetBehaviour,
    call: PlayedCall,
    key: string,
  ): Promise<SimulatedAnswer> {
    const work = this.#work(behaviour, call)
    this.#firstAnswers.set(key, work)
    const answer = await work
    // A failure acted on nothing: the next call with this key starts afresh.
    if (answer.status >= 300) this.#firstAnswers.delete(key)
    for (const oldest of this.#firstAnswers.keys()) {
      if (this.#firstAnswers.size <= maxFirstAnswers) break
      this.#firstAnswers.delete(oldest)
    }
    return answer
  }

  async #work(behaviour: TargetBehaviour, { path, body }: PlayedCall): Promise<SimulatedAnswer> {
    await this.#wait(behaviour)
    if (Math.random() < behaviour.errorRate) return failure(500, `${this.name} failed.`)
    const usual = usualAnswer({ target: this.name, path, body }, nextNumber())
    const status = behaviour.status ?? usual.status
    if (status >= 300) return failure(status, `${this.name} answers ${status}.`)
    return { ...usual, status }
  }
}

type Play = (call: PlayedCall) => Promise<Played>

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const tooLarge = failure(413, 'The simulator takes bodies of at most 1 MiB.')

function failure(status: number, error: string): SimulatedAnswer {
  return { status, body: { error } }
}

function headersOf(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  )
}

function send(
  response: ServerResponse,
  behaviour: TargetBehaviour,
  { status, body }: SimulatedAnswer,
): void {
  const withoutBody = status === 204 || status === 205 || status === 304
  const { retryAfterSeconds } = behaviour
  if (retryAfterSeconds !== null && (status === 429 || status === 503)) {
    response.setHeader('retry-after', retryAfterSeconds)
  }
  // Who follows a redirect shows up in the calls.
  if (status >= 300 && status < 400) response.setHeader('location', '/redirected/')
  if (!withoutBody) response.setHeader('content-type', 'application/json; charset=utf-8')
  response.writeHead(status).end(withoutBody ? undefined : JSON.stringify(body))
}
