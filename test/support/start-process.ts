import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const orderwheel = fileURLToPath(new URL('../../bin/orderwheel.js', import.meta.url))

export type OrderwheelProcess = {
  child: ChildProcess
  /** Everything it wrote so far. */
  output: () => string
  /** Resolves when its output matches; rejects when it ends first. */
  said: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Sends the signal and resolves with the exit code, or the signal that ended it. */
  stop: (signal?: NodeJS.Signals) => Promise<number | NodeJS.Signals | null>
  ended: Promise<number | NodeJS.Signals | null>
}

/** Starts a real `orderwheel` process with this environment and nothing of ours beside PATH. */
export function startOrderwheel(
  args: string[],
  environment: Record<string, string>,
): OrderwheelProcess {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [orderwheel, ...args], {
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const watchers = new Set<() => void>()
  const note = (chunk: Buffer) => {
    output += chunk.toString()
    for (const watch of watchers) watch()
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  const ended = once(child, 'close').then(() => child.exitCode ?? child.signalCode)

  return {
    child,
    output: () => output,
    ended,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = () => {
          const match = pattern.exec(output)
          if (match) finish(() => resolve(match))
        }
        const finish = (end: () => void) => {
          watchers.delete(watch)
          end()
        }
        watchers.add(watch)
        void ended.then(() =>
          finish(() => reject(new Error(`It ended before it said ${String(pattern)}:\n${output}`))),
        )
        watch()
      }),
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

/** The connection string of a test's database, for a process of its own. */
export function connectionString(connection: {
  host: string
  port: number
  user: string
  password: string
  database: string
}): string {
  const { host, port, user, password, database } = connection
  return `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`
}
