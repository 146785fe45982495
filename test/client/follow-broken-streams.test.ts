import { createClient, type OrderEvent } from 'orderwheel/client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

// The clock is the test's: whoever waits for 45 s has waited for them at once.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

type Asked = { atMs: number; lastEventId: string | null; init: RequestInit }

type Piece = string | Uint8Array | { afterMs: number; text: string }
/** The pieces of a stream, which ends after them or falls silent; or something else, or nothing. */
type Answer = { pieces: Piece[]; end: boolean } | Response | 'never'

function follow(
  answers: Answer[],
  { timeoutSeconds = 30, signal }: { timeoutSeconds?: number; signal?: AbortSignal } = {},
) {
  const asked: Asked[] = []
  const fetch: typeof globalThis.fetch = async (_url, init = {}) => {
    const lastEventId = new Headers(init.headers).get('last-event-id')
    asked.push({ atMs: performance.now(), lastEventId, init })
    const answer = answers.shift()
    if (!answer) throw new Error('Asked once too often.')
    if (answer === 'never') return untilAborted(init.signal)
    if (answer instanceof Response) return answer
    const headers = { 'content-type': 'text/event-stream; charset=utf-8' }
    return new Response(streamOf(answer, init.signal), { headers })
  }
  const client = createClient({ url: 'http://shop.example', apiKey: 'k', fetch, timeoutSeconds })
  return {
    asked,
    events: client.followOrder('0199ad5e-6c1f-7a68-9a5e-0d5b3c3f1a01', {
      ...(signal && { signal }),
    }),
  }
}

function streamOf(
  { pieces, end }: { pieces: Piece[]; end: boolean },
  signal: AbortSignal | null | undefined,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(stream) {
      signal?.addEventListener('abort', () => stream.error(signal.reason))
      for (const piece of pieces) {
        if (typeof piece === 'string') stream.enqueue(Buffer.from(piece))
        else if (piece instanceof Uint8Array) stream.enqueue(piece)
        else setTimeout(() => stream.enqueue(Buffer.from(piece.text)), piece.afterMs)
      }
      if (end) stream.close()
    },
  })
}

function untilAborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
}

function event(id: number, change: object): string {
  return `id: ${id}\nevent: order\ndata: ${JSON.stringify(change)}\n\n`
}

const over = 'event: end\ndata: {}\n\n'

async function allOf(events: AsyncIterable<OrderEvent>): Promise<OrderEvent[]> {
  const all: OrderEvent[] = []
  for await (const one of events) all.push(one)
  return all
}

/** With all the time that it waits for. */
async function heard(events: AsyncIterable<OrderEvent>): Promise<OrderEvent[]> {
  const following = allOf(events)
  // Reported by whoever awaits it.
  following.catch(() => {})
  await vi.advanceTimersByTimeAsync(300_000)
  return following
}

function gaps(asked: Asked[]): number[] {
  return asked.slice(1).map(({ atMs }, n) => atMs - (asked[n]?.atMs ?? 0))
}

test('what a target said is read, also when a letter of it comes in two pieces', async () => {
  const bytes = Buffer.from(event(1, { state: 'größer: 注文' }) + over)
  const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte))
  const { events } = follow([{ pieces, end: true }])
  expect(await heard(events)).toMatchObject([{ id: '1', state: 'größer: 注文' }])
})

test('a stream of which nothing is heard for 45 s is left, and gone on with elsewhere', async () => {
  const { asked, events } = follow([
    { pieces: [event(1, { state: 'received' })], end: false },
    { pieces: [event(2, { state: 'completed' }), over], end: false },
  ])
  expect((await heard(events)).map(({ id }) => id)).toEqual(['1', '2'])
  expect(asked.map(({ lastEventId }) => lastEventId)).toEqual([null, '1'])
  expect(gaps(asked)[0]).toBeGreaterThanOrEqual(45_000)
  expect(gaps(asked)[0]).toBeLessThan(46_000)
  expect(asked[0]?.init.signal?.aborted).toBe(true)
})

test('a comment now and then is enough to be listened to, and to be come back to when the stream breaks', async () => {
  const comments = Array.from({ length: 8 }, (_, n) => ({
    afterMs: 15_000 * n,
    text: ': here\n\n',
  }))
  const { asked, events } = follow([
    { pieces: [event(1, { state: 'needs-attention' }), ...comments], end: false },
    { pieces: [event(2, { state: 'completed' }), over], end: true },
  ])
  expect((await heard(events)).map(({ id }) => id)).toEqual(['1', '2'])
  expect(gaps(asked)[0]).toBeGreaterThanOrEqual(105_000 + 45_000)
})

test('a server that does not answer is asked again, elsewhere perhaps, for as long as was asked', async () => {
  const { asked, events } = follow(['never', { pieces: [over], end: true }])
  await heard(events)
  expect(gaps(asked)[0]).toBeGreaterThanOrEqual(10_000)
  expect(gaps(asked)[0]).toBeLessThan(11_000)
  const dead = follow(Array<Answer>(50).fill('never'))
  await expect(heard(dead.events)).rejects.toThrow(
    'No answer after 3 attempts: nothing was heard for 10 s.',
  )
})

test('what answers everything with a page is no server, and one that hangs up at once is asked less and less often', async () => {
  const pages = Array.from({ length: 50 }, () => new Response('<h1>Welcome</h1>'))
  const page = follow(pages)
  await expect(heard(page.events)).rejects.toThrow('what answered is no stream of events')
  expect(page.asked.length).toBeLessThan(30)

  vi.spyOn(Math, 'random').mockReturnValue(0.99)
  const nothing = Array.from({ length: 8 }, () => ({ pieces: [': here\n\n'], end: true }))
  const { asked, events } = follow([...nothing, { pieces: [over], end: true }])
  await heard(events)
  expect(gaps(asked).at(-1)).toBeGreaterThan(4_900)
})

test('who stops following lets the connection go, and the key goes nowhere else', async () => {
  const { asked, events } = follow([{ pieces: [event(1, { state: 'received' })], end: false }])
  for await (const one of events) {
    expect(one).toMatchObject({ event: 'order', state: 'received' })
    expect(asked[0]?.init.signal?.aborted).toBe(false)
    break
  }
  expect(asked[0]?.init).toMatchObject({ redirect: 'manual', signal: { aborted: true } })
})

test('who has had enough is let go at once, without a pause', { timeout: 5_000 }, async () => {
  const leaving = new AbortController()
  const first = { pieces: ['retry: 3000\n\n', event(1, { state: 'received' })], end: false }
  const { asked, events } = follow([first], { signal: leaving.signal })
  const following = allOf(events)
  following.catch(() => {})
  await vi.advanceTimersByTimeAsync(1)
  leaving.abort(new Error('gone'))
  await expect(following).rejects.toThrow('gone')
  expect(asked).toHaveLength(1)
})

test('the pause that a server asks for is kept', async () => {
  const { asked, events } = follow([
    { pieces: ['retry: 3000\n\n', event(1, { state: 'received' })], end: true },
    new Response('busy', { status: 503, headers: { 'retry-after': '7' } }),
    { pieces: [over], end: true },
  ])
  await heard(events)
  const [first = 0, second = 0] = gaps(asked)
  expect(first).toBeGreaterThanOrEqual(3_000)
  expect(first).toBeLessThan(3_300)
  expect(second).toBeGreaterThanOrEqual(7_000)
})

test('a server that ends each stream is come back to at once as long as it says something', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.99)
  const streams = Array.from({ length: 8 }, (_, n) => ({
    pieces: [event(n, { state: 'processing' })],
    end: true,
  }))
  const { asked, events } = follow([...streams, { pieces: [over], end: true }])
  expect(await heard(events)).toHaveLength(8)
  expect(Math.max(...gaps(asked))).toBeLessThan(250)
})

test('who takes longer over an event than a server is waited for has not lost the server', async () => {
  const answers = [
    { pieces: [event(1, { state: 'received' })], end: true },
    { pieces: [event(2, { state: 'completed' }), over], end: true },
  ]
  const { events } = follow(answers, { timeoutSeconds: 1 })
  async function* slowly() {
    for await (const one of events) {
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      yield one
    }
  }
  expect((await heard(slowly())).map(({ id }) => id)).toEqual(['1', '2'])
})

test('a server that was heard and is gone is waited for as long as was asked, and not longer', async () => {
  const gone = Array.from({ length: 50 }, () => new Response('gone', { status: 502 }))
  const first = { pieces: [event(1, { state: 'received' })], end: true }
  const { asked, events } = follow([first, ...gone], { timeoutSeconds: 20 })
  await expect(heard(events)).rejects.toMatchObject({
    name: 'NoAnswerError',
    cause: { status: 502 },
  })
  const waited = (asked.at(-1)?.atMs ?? 0) - (asked[0]?.atMs ?? 0)
  expect(waited).toBeLessThan(20_000)
  expect(asked.length).toBeGreaterThan(4)
})
