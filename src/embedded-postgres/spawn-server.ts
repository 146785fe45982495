import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import type { Place } from './place-server.ts'
import type { Account } from './server-account.ts'

export type ServerProcess = {
  /** Resolves when the server has ended, with the last lines of its log. */
  ended: Promise<string>
  /** Fast shutdown, immediate shutdown after 10 s. May be called twice. */
  stop(): Promise<void>
}

/**
 * Starts the server process; it is not yet ready. Its log is `postgres.log` beside the data. It ends
 * when this process exits; one that is killed leaves it behind.
 */
export function spawnServer(options: {
  place: Place
  account: Account
  settings: Record<string, string>
}): ServerProcess {
  const { place, account, settings } = options
  const logFile = join(place.dataDirectory, 'postgres.log')
  // A file, not a pipe: the server goes on writing when this process is killed.
  const log = openSync(logFile, isBig(logFile) ? 'w' : 'a', 0o600)
  const child = spawn(
    join(place.binaries, 'bin', 'postgres'),
    [
      `-D${join(place.dataDirectory, 'pgdata')}`,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    {
      ...account,
      cwd: '/',
      env: { LC_ALL: 'C' },
      stdio: ['ignore', log, log],
      // Its own process group: Ctrl-C in the terminal must not stop it before we stopped what uses it.
      detached: true,
    },
  )
  closeSync(log)
  // Immediate: nothing can be waited for here, and the next start recovers as after a crash.
  const quit = () => child.kill('SIGQUIT')
  process.once('exit', quit)
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('exit', () => resolve(lastLines(logFile)))
  }).finally(() => process.off('exit', quit))
  return {
    ended,
    async stop() {
      child.kill('SIGINT')
      const late = setTimeout(quit, 10_000)
      await ended
      clearTimeout(late)
    },
  }
}

const maxLogBytes = 1_000_000

function isBig(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n').slice(-2_000)
}
