import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { eventually } from '../support/eventually.ts'

export type Shop = {
  npm: ChildProcess
  /** What it has printed so far. */
  output(): string
  /** Sends the signal to npm alone, as a supervisor does. */
  signal(signal: NodeJS.Signals): void
  /** Sends it to every process of the terminal, as Ctrl-C does. */
  signalAll(signal: NodeJS.Signals): void
  /** Resolves with npm's exit code. */
  ended: Promise<number | null>
}

const checkout = join(import.meta.dirname, '..', '..')

/** Runs `npm start` as the README says, in a process group of its own. */
export function startShop(variables: Record<string, string>): Shop {
  // Neither a production environment nor a database of this machine must be taken for the demo's.
  const { NODE_ENV: _environment, DATABASE_URL: _url, ...inherited } = process.env
  const npm = spawn('npm', ['start', '--', '--speed', '20'], {
    cwd: checkout,
    env: { ...inherited, NO_COLOR: '1', ...variables },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  npm.stdout.on('data', (text: Buffer) => (output += text.toString()))
  npm.stderr.on('data', (text: Buffer) => (output += text.toString()))
  return {
    npm,
    output: () => output,
    signal: (signal) => void npm.kill(signal),
    signalAll: (signal) => void process.kill(-(npm.pid ?? 0), signal),
    ended: once(npm, 'close').then(() => npm.exitCode),
  }
}

/**
 * Resolves with the pids of everything that runs when it has printed its invitation; rejects when it ends
 * before or takes two minutes.
 */
export async function whenRunning(shop: Shop): Promise<number[]> {
  await eventually(
    () => {
      if (shop.npm.exitCode !== null) throw new Error(`npm start ended:\n${shop.output()}`)
      return shop.output().includes('Ctrl-C stops everything')
    },
    { withinSeconds: 120 },
  )
  return processTree(shop.npm.pid ?? 0)
}

/** Pastes printed lines into a shell of its own; answers what they wrote to standard output. */
export async function paste(lines: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-ec', lines], { cwd: checkout })
  return stdout
}

/** The pids of a process and all its descendants. Needs Linux's /proc. */
function processTree(root: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => [Number(pid), parentOf(pid)] as const)
  const tree = [root]
  for (const ancestor of tree) {
    tree.push(...parents.filter(([, parent]) => parent === ancestor).map(([pid]) => pid))
  }
  return tree
}

export function isAlive(pid: number): boolean {
  return parentOf(String(pid)) !== undefined
}

/** For the end of a run that went wrong: nothing must stay behind. */
export function killAll(shop: Shop, known: readonly number[]): void {
  for (const pid of new Set([...known, ...processTree(shop.npm.pid ?? 0)])) {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  }
}

/** Undefined when the process has ended, also when its parent has not noticed yet. */
function parentOf(pid: string): number | undefined {
  try {
    // pid (name, which may hold spaces and parentheses) state parent …
    const [state, parent] =
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return state === 'Z' ? undefined : Number(parent)
  } catch {
    return undefined
  }
}
