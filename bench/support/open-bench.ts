import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Bench, BenchDatabase } from '../scenario.ts'
import { type BenchServer, startBenchServer } from './bench-server.ts'
import { startContender } from './start-contender.ts'
import { startOrderwheel } from './start-orderwheel.ts'

export type OpenBench = Bench & {
  /** Ends every process the scenario left, then the server, and removes its data. May be called twice. */
  close(): Promise<void>
}

type Stoppable = { pid: number; stop(): Promise<unknown> }

/** A bench for one scenario. Its PostgreSQL is started with the first database. */
export function openBench(options: {
  quick: boolean
  progress: (text: string) => void
}): OpenBench {
  let server: Promise<BenchServer> | undefined
  let logs: string | undefined
  let closing: Promise<void> | undefined
  const started: Stoppable[] = []

  function keep<T extends Stoppable>(child: T): T {
    started.push(child)
    return child
  }

  function nextLogFile(): string {
    logs ??= mkdtempSync(join(tmpdir(), `orderwheel-bench-${process.pid}-logs-`))
    return join(logs, `${started.length}.log`)
  }

  async function createDatabase(): Promise<BenchDatabase> {
    if (closing) throw new Error('the bench is closing')
    if (!server) options.progress('starting PostgreSQL')
    server ??= startBenchServer()
    return (await server).createDatabase()
  }

  async function close() {
    await Promise.all(started.map(endForSure))
    // One that did not start has removed what it left.
    await server?.then((running) => running.stop()).catch(() => {})
    if (logs) rmSync(logs, { recursive: true, force: true })
  }

  return {
    ...options,
    createDatabase,
    startContender: (file, more) => keep(startContender(file, more)),
    startOrderwheel: (args, env, more) =>
      keep(startOrderwheel({ args, env, logFile: nextLogFile(), ...more })),
    close: () => (closing ??= close()),
  }
}

// What needs longer than the product's own 13 s to stop is stuck.
const stopMs = 15_000

async function endForSure(child: Stoppable): Promise<void> {
  const timer = setTimeout(() => kill(child.pid), stopMs)
  await child.stop()
  clearTimeout(timer)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
