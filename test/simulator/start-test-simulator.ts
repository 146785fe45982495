import { afterEach } from 'vitest'

import { createLog } from '#base/log.ts'
import { startSimulator, type Simulator } from '#simulator/start-simulator.ts'

export const silent = createLog('test', 'silent')

/** On free ports, so fast that the usual latencies take a millisecond or less; stopped after the test. */
export async function startTestSimulator(): Promise<Simulator> {
  const simulator = await startSimulator({ port: 0, smtpPort: 0, speed: 10_000, log: silent })
  started.push(simulator)
  return simulator
}

const started: Simulator[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()))
})

export async function getJson<Shape>(url: string): Promise<Shape> {
  const response = await fetch(url)
  return (await response.json()) as Shape
}

export function put(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'PUT', body: JSON.stringify(body) })
}
