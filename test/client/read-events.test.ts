import { expect, test } from 'vitest'

import { readEvents, type ServerSentEvent } from '../../src/client/read-events.ts'

test.each([
  [
    'one line after the other',
    'event: a\nid: 1\ndata: x\n\n',
    [{ event: 'a', id: '1', data: 'x' }],
  ],
  [
    'all kinds of line ends',
    'data: x\r\n\r\ndata: y\r\rdata:z\n\n',
    ['x', 'y', 'z'].map((data) => ({ event: 'message', data })),
  ],
  [
    'several lines of data',
    'data: x\ndata:\ndata:  y\n\n',
    [{ event: 'message', data: 'x\n\n y' }],
  ],
  [
    'several lines of data, each with both characters of a line’s end',
    'id: 1\r\ndata: x\r\ndata: y\r\n\r\n',
    [{ event: 'message', id: '1', data: 'x\ny' }],
  ],
  [
    'comments, and what it does not know',
    ':\n\n: hello\nfoo: bar\ndata: x\n\n',
    [{ event: 'message', data: 'x' }],
  ],
  [
    'a wait',
    'retry: 1500\n\nretry: soon\n\n',
    [
      { event: 'message', data: '', retryMs: 1500 },
      { event: 'message', data: '' },
    ],
  ],
  ['nothing of what was cut off', 'data: x\n\ndata: y\n', [{ event: 'message', data: 'x' }]],
])('a stream of events is read whatever pieces it comes in: %s', async (_, text, events) => {
  for (const size of [1, 2, 3, text.length]) {
    const seen: ServerSentEvent[] = []
    for await (const event of readEvents(pieces(text, size))) seen.push(event)
    expect(seen, `in pieces of ${size}`).toEqual(events)
  }
})

async function* pieces(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}
