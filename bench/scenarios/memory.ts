import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

import type { Bench, Scenario } from '../scenario.ts'
import { median, round } from '../support/figures.ts'
import { prepareBacklog } from '../support/fill-backlog.ts'
import { type Sink, startSink } from '../support/start-sink.ts'

const inFlight = 500
const limitMB = 150
const answerSeconds = 8

/** What a worker occupies with much to do and a slow target: nothing of the backlog may be in memory. */
export const scenario: Scenario = {
  name: 'memory',
  what: `a worker's memory with a million waiting and ${inFlight} calls in flight`,
  async run(bench) {
    const waiting = bench.quick ? 50_000 : 1_000_000
    const database = await bench.createDatabase()
    const sink = await startSink(bench, { delayMs: answerSeconds * 1_000 })
    const env = {
      DATABASE_URL: database.url,
      BENCH_TARGETS: 'sink',
      BENCH_SINK_URL: sink.url,
      BENCH_CONCURRENCY: String(inFlight),
    }
    const backlog = await prepareBacklog(bench, database, env)
    bench.progress(`filling the queue with ${waiting}`)
    await backlog.add(waiting)
    await database.tidy()
    const worker = bench.startOrderwheel(['worker'], env)
    await untilInFlight(sink)
    const samples = await sampleMB(bench, worker.pid, bench.quick ? 10 : 60)
    const most = Math.max(...samples)
    const ratio = round(limitMB / most)
    const { inFlight: atTheEnd } = await sink.look()
    return {
      scenario: 'memory',
      ours: round(most),
      reference: limitMB,
      ratio,
      atLeast: 1,
      holds: ratio >= 1,
      unit: 'MB',
      details: { waiting, inFlight: atTheEnd, answerSeconds, medianMB: round(median(samples)) },
    }
  },
}

async function untilInFlight(sink: Sink): Promise<void> {
  while ((await sink.look()).inFlight < inFlight) await setTimeout(50)
}

/** Ten times a second: resident memory, garbage that nobody has collected yet included. */
async function sampleMB(bench: Bench, pid: number, seconds: number): Promise<number[]> {
  const samples: number[] = []
  while (samples.length < seconds * 10) {
    samples.push(residentMB(pid))
    if (samples.length % 100 === 0) bench.progress(`${Math.max(...samples).toFixed(0)} MB at most`)
    await setTimeout(100)
  }
  return samples
}

function residentMB(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (!match) throw new Error(`process ${pid} has no VmRSS: this is measured on Linux only`)
  return (Number(match[1]) * 1_024) / 1_000_000
}
