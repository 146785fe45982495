import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { given, report } from '../support/contender.ts'

/** What the sink has seen since it started, said when it is sent any command. */
export type SinkReport = {
  /** Of the machine's monotonic clock. */
  atMs: number
  answered: number
  inFlight: number
  /** When each request arrived, by its Idempotency-Key: Unix time in ms. Only with SINK_RECORDS. */
  arrivals: ReadonlyMap<string, number>
}

const delayMs = Number(given('SINK_DELAY_MS'))
const records = given('SINK_RECORDS') === 'yes'

const arrivals = new Map<string, number>()
let answered = 0
let inFlight = 0

/** Takes anything, and answers 201 with a small JSON after SINK_DELAY_MS. */
const server = createServer((request, response) => {
  const key = request.headers['idempotency-key']
  if (records && typeof key === 'string' && !arrivals.has(key)) arrivals.set(key, Date.now())
  inFlight += 1
  request.resume()
  request.once('end', () => {
    if (delayMs > 0) setTimeout(answer, delayMs, response)
    else answer(response)
  })
})
// A connection of the pool may rest while others are used.
server.keepAliveTimeout = 60_000

const body = '{"accepted":true}'

function answer(response: ServerResponse): void {
  response.writeHead(201, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
  answered += 1
  inFlight -= 1
}

server.listen(0, '127.0.0.1', () => {
  void report({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders` })
})
process.on('message', () => {
  void report({ atMs: performance.now(), answered, inFlight, arrivals } satisfies SinkReport)
})
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
