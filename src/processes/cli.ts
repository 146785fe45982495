import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

import { readEnvironment } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import { check } from '#cli/check.ts'
import type { Command } from '#cli/command.ts'
import { keys } from '#cli/keys.ts'
import { migrate } from '#cli/migrate.ts'
import { order } from '#cli/order.ts'
import { status } from '#cli/status.ts'
import { suggestName } from '#config/suggest-name.ts'

import { all } from './all.ts'
import { api } from './api.ts'
import { dev } from './dev.ts'
import { relay } from './relay.ts'
import { simulate } from './simulate.ts'
import { worker } from './worker.ts'

const commands: readonly Command[] = [
  dev,
  api,
  relay,
  worker,
  all,
  migrate,
  check,
  status,
  order,
  keys,
  simulate,
]

process.exitCode = await main(process.argv.slice(2))
// Everything was stopped; what is left keeps nobody waiting.
setTimeout(() => process.exit(), 2_000).unref()

async function main(args: string[]): Promise<number> {
  // `orderwheel status | head -1` closes our output early: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    return await dispatch(args)
  } catch (error) {
    if (!(error instanceof OrderwheelError)) throw error
    process.stderr.write(`${error.message}\n`)
    return error.code === 'usage' ? 2 : 1
  }
}

async function dispatch([name, ...args]: string[]): Promise<number> {
  if (name === '--version' || name === '-v') return print(await version())
  if (name === '--help' || name === '-h' || name === 'help') return print(help())
  const command = commands.find((candidate) => candidate.name === name)
  if (!command) throw unknown(name)
  if (args.includes('--help') || args.includes('-h')) return print(command.help)
  // For people who copied .env.example; what is set already counts more.
  if (existsSync('.env')) process.loadEnvFile('.env')
  return command.run(args, { environment: readEnvironment(), print })
}

function print(line: string): number {
  process.stdout.write(`${line}\n`)
  return 0
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  return JSON.parse(text).version
}

function unknown(name: string | undefined): OrderwheelError {
  const names = commands.map((command) => command.name)
  const what =
    name === undefined
      ? 'orderwheel needs a command'
      : `orderwheel knows no command "${name}"${suggestName(name, names)}`
  return new OrderwheelError(
    'usage',
    `${what}${what.endsWith('?') ? '' : '.'} See orderwheel --help`,
  )
}

function help(): string {
  return [
    'Take the order now, do the slow work later, on the one Postgres you already run.',
    '',
    'Usage: orderwheel <command>',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`),
    '',
    'orderwheel <command> --help says more; orderwheel --version says which.',
  ].join('\n')
}
