import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'

import { readEnvironment } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import { suggestName } from '#base/suggest-name.ts'
import type { Command } from '#cli/command.ts'

// Loaded when asked for: an order's story does not need the HTTP server.
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  dev: async () => (await import('./dev.ts')).dev,
  api: async () => (await import('./api.ts')).api,
  relay: async () => (await import('./relay.ts')).relay,
  worker: async () => (await import('./worker.ts')).worker,
  all: async () => (await import('./all.ts')).all,
  migrate: async () => (await import('#cli/database/migrate.ts')).migrate,
  check: async () => (await import('#cli/check.ts')).check,
  status: async () => (await import('#cli/status.ts')).status,
  order: async () => (await import('#cli/orders/order.ts')).order,
  message: async () => (await import('#cli/orders/message.ts')).message,
  payments: async () => (await import('#cli/payments/payments.ts')).payments,
  'dead-letters': async () => (await import('#cli/dead-letters/dead-letters.ts')).deadLetters,
  replays: async () => (await import('#cli/dead-letters/replays.ts')).replays,
  verify: async () => (await import('#cli/database/verify.ts')).verify,
  audit: async () => (await import('#cli/database/audit.ts')).audit,
  targets: async () => (await import('#cli/targets/targets.ts')).targets,
  pause: async () => (await import('#cli/targets/pause.ts')).pause,
  resume: async () => (await import('#cli/targets/resume.ts')).resume,
  doctor: async () => (await import('#cli/database/doctor.ts')).doctor,
  owner: async () => (await import('#cli/database/owner.ts')).owner,
  reports: async () => (await import('#cli/reports/reports.ts')).reports,
  keys: async () => (await import('#cli/keys.ts')).keys,
  forget: async () => (await import('#cli/orders/forget.ts')).forget,
  simulate: async () => (await import('./simulate.ts')).simulate,
}

// The next start is a third faster and 20 MB smaller; where nothing may be written, it does nothing.
enableCompileCache()
process.exitCode = await main(process.argv.slice(2))
// Everything was stopped; what is left keeps nobody waiting.
setTimeout(() => process.exit(), 2_000).unref()

async function main(args: string[]): Promise<number> {
  // `orderwheel status | head -1` closes our output early: no failure, and no reason to end `dev` half-way.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  try {
    return await dispatch(args)
  } catch (error) {
    if (!(error instanceof OrderwheelError)) throw error
    warn(error.message)
    return error.code === 'usage' ? 2 : 1
  }
}

async function dispatch([name, ...args]: string[]): Promise<number> {
  if (name === '--version' || name === '-v') return print(await version())
  if (name === '--help' || name === '-h' || name === 'help')
    return print(args[0] === undefined ? await help() : await helpOf(args))
  const command = await loadCommand(name)
  if (args.includes('--help') || args.includes('-h'))
    return print(command.helpOf?.(args) ?? command.help)
  // For people who copied .env.example; what is set already counts more.
  if (existsSync('.env')) process.loadEnvFile('.env')
  return command.run(args, { environment: readEnvironment(), print, warn })
}

async function helpOf([name, ...args]: string[]): Promise<string> {
  const command = await loadCommand(name)
  return command.helpOf?.(args) ?? command.help
}

async function loadCommand(name: string | undefined): Promise<Command> {
  const load = Object.hasOwn(commands, name ?? '') ? commands[name ?? ''] : undefined
  if (!load) throw unknown(name)
  return load()
}

function print(line: string): number {
  process.stdout.write(`${line}\n`)
  return 0
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`)
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  return JSON.parse(text).version
}

function unknown(name: string | undefined): OrderwheelError {
  const what =
    name === undefined
      ? 'orderwheel needs a command'
      : `orderwheel knows no command "${name}"${suggestName(name, Object.keys(commands))}`
  return new OrderwheelError(
    'usage',
    `${what}${what.endsWith('?') ? '' : '.'} See orderwheel --help`,
  )
}

async function help(): Promise<string> {
  const loaded = await Promise.all(Object.values(commands).map((load) => load()))
  return [
    'Take the order now, do the slow work later, on the one Postgres you already run.',
    '',
    'Usage: orderwheel <command>',
    '',
    ...loaded.map(({ name, summary }) => `  ${name.padEnd(13)} ${summary}`),
    '',
    'orderwheel <command> --help says more; orderwheel --version says which.',
  ].join('\n')
}
