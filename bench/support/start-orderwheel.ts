import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import type { OrderwheelProcess } from '../scenario.ts'

const cli = fileURLToPath(new URL('../../src/processes/cli.ts', import.meta.url))
const config = fileURLToPath(new URL('../orderwheel.config.ts', import.meta.url))
const saidWithinSeconds = 120

type StartOptions = {
  args: readonly string[]
  env: Record<string, string>
  /** A file: a pipe would have to be read while we measure. */
  logFile: string
  nodeArgs?: readonly string[]
}

/** Starts a real `orderwheel` process with this environment and nothing of ours beside PATH. */
export function startOrderwheel({ args, env, logFile, nodeArgs }: StartOptions): OrderwheelProcess {
  const { PATH = '', HOME = '' } = process.env
  const log = openSync(logFile, 'a')
  const child = spawn(process.execPath, [...(nodeArgs ?? []), cli, ...args], {
    env: { PATH, HOME, ORDERWHEEL_CONFIG: config, ...env },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const ended = once(child, 'exit').then(() => child.exitCode)
  let running = true
  void ended.then(() => (running = false))
  const output = () => readFileSync(logFile, 'utf8')

  async function said(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + saidWithinSeconds * 1_000
    for (;;) {
      const wasRunning = running
      const match = pattern.exec(output())
      if (match) return match
      if (!wasRunning || performance.now() > deadline)
        throw new Error(
          `orderwheel ${args.join(' ')} did not say ${String(pattern)}:\n${output().slice(-2_000)}`,
        )
      await setTimeout(20)
    }
  }

  return {
    pid: child.pid ?? 0,
    output,
    said,
    ended,
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}
