import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startOrderwheel } from '../support/start-process.ts'

const commands = [
  'dev',
  'api',
  'relay',
  'worker',
  'all',
  'migrate',
  'check',
  'status',
  'order',
  'targets',
  'pause',
  'resume',
  'keys',
  'simulate',
]

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('help lists every command, and every command has its own', async () => {
  const { code, output } = await run(['--help'])
  expect(code).toBe(0)
  for (const command of commands) expect(output).toMatch(new RegExp(`^  ${command} +\\S`, 'm'))

  const helps = await Promise.all(commands.map((command) => run([command, '--help'])))
  for (const [index, help] of helps.entries()) {
    expect(help.code).toBe(0)
    expect(help.output).toContain(`Usage: orderwheel ${commands[index]}`)
  }
})

test('help with a command’s name is that command’s help', async () => {
  const asked = await run(['help', 'status'])

  expect(asked).toEqual(await run(['status', '--help']))
  expect(asked.output).toContain('Usage: orderwheel status')
})

test('the version is the package’s', async () => {
  expect(await run(['--version'])).toEqual({ code: 0, output: '0.1.0\n' })
})

test.each([
  [[], 'orderwheel needs a command. See orderwheel --help'],
  [['migrat'], 'orderwheel knows no command "migrat"; did you mean migrate? See orderwheel --help'],
  [['xyzzy'], 'orderwheel knows no command "xyzzy". See orderwheel --help'],
  [
    ['worker', '--drian'],
    'orderwheel worker: it takes no option --drian; did you mean --drain? See orderwheel worker --help',
  ],
  [['relay', '--max-seconds', '0'], '--max-seconds is "0": write a whole number from 1 to 86400'],
  [
    ['order'],
    'orderwheel order: which order? Give its id or its externalId. See orderwheel order --help',
  ],
  [['keys', '--scope', 'ops:read'], 'orderwheel keys list: it takes no option --scope'],
  [['keys', 'list', 'extra'], '"extra" is one argument too many'],
  [['help', 'statis'], 'orderwheel knows no command "statis"; did you mean status?'],
  [['order', 'A', 'B'], '"B" is one argument too many'],
  [['dev', '--speed', 'fast'], '--speed is "fast": write a number above 0, for example 10'],
  [['keys', 'crate'], 'it does not know "crate"; did you mean create?'],
  [['keys', 'create', 'shop', '--scope', 'order:write'], 'did you mean orders:write?'],
  [['keys', 'create', 'shop'], 'create needs --scope'],
  [
    ['dead-letters', 'list', '--limit', '-1'],
    'orderwheel dead-letters list: --limit needs a value, <number>: one that begins with a dash is written --limit=-1. See',
  ],
  [['dead-letters', 'list', '--limit=-1'], '--limit is "-1": write a whole number from 1 to 500'],
  [['dead-letters', 'list', '--target'], '--target needs a value, <name>. See'],
  [['dead-letters', 'list', '--target', '--json'], '--target needs a value, <name>. See'],
  [['status', '--json=yes'], 'orderwheel status: --json takes no value. See'],
  [['forget', '--email', 'notanemail'], '--email is "notanemail": that is no email address. See'],
  [['forget'], 'whom? Give --email <address>'],
])('a wrong command line is answered with what would be right: %j', async (args, answer) => {
  const { code, output } = await run(args)

  expect(output).toContain(answer)
  expect(code).toBe(2)
})

test.each([
  'api',
  'relay',
  'worker',
  'all',
  'migrate',
  'status',
  'order WEB-1',
  'targets',
  'keys list',
  'keys',
  'dead-letters',
  'audit',
  'payments',
  'reports',
  'replays',
])('"%s" without a database says which variable names it', async (command) => {
  const { code, output } = await run(command.split(' '))

  expect(output).toMatch(/^DATABASE_URL is not set: /)
  expect(code).toBe(1)
})

test('a database that does not answer is a sentence, without a stack', async () => {
  const { code, output } = await run(['status'], {
    DATABASE_URL: 'postgresql://shop:secret@127.0.0.1:1/shop',
  })

  expect(output).toMatch(/^PostgreSQL cannot be reached: .*ECONNREFUSED.*\n$/)
  expect(output).not.toContain('secret')
  expect(code).toBe(1)
})

test('every wrong variable is named with what to write', async () => {
  const { code, output } = await run(['status'], { PORT: 'http', ORDERWHEEL_SMTP_PORT: '99999' })

  expect(output).toContain('PORT is "http": write a whole number from 0 to 65535')
  expect(output).toContain('ORDERWHEEL_SMTP_PORT is "99999": write a whole number')
  expect(code).toBe(1)
})

test('a configuration is checked without starting anything', async () => {
  const config = join(folder, 'one-target.config.ts')
  await writeFile(
    config,
    `import { defineConfig, env, http } from 'orderwheel'
     export default defineConfig({
       targets: { erp: http({ url: env('ERP_URL') }) },
       routes: { 'order.placed': ['erp'] },
     })`,
  )

  const missing = await run(['check'], { ORDERWHEEL_CONFIG: config })
  expect(missing.output).toContain('ERP_URL')
  expect(missing.code).toBe(1)

  const environment = { ORDERWHEEL_CONFIG: config, ERP_URL: 'http://127.0.0.1:1/' }
  const fine = await run(['check', '--verbose'], environment)
  expect(fine.output).toContain('timeoutSeconds  30')
  expect(fine.output).toContain('order.placed → erp')
  expect(fine.output).toContain('ERP_URL: set')
  expect(fine.code).toBe(0)
})

test('development is refused where NODE_ENV says production', async () => {
  const { code, output } = await run(['dev'], { NODE_ENV: 'production' })

  expect(output).toMatch(/^NODE_ENV is production, and "orderwheel dev" is for development/)
  expect(code).toBe(1)
})

async function run(
  args: string[],
  environment: Record<string, string> = {},
): Promise<{ code: number | string | null; output: string }> {
  // Set to nothing, so that a .env of this checkout does not count.
  const process = startOrderwheel(args, { DATABASE_URL: '', ...environment })
  return { code: await process.ended, output: process.output() }
}
