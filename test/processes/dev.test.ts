import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { freePort } from '#embedded-postgres/free-port.ts'
import { isAlive } from '#embedded-postgres/server-account.ts'

import { eventually } from '../support/eventually.ts'
import { startOrderwheel, type OrderwheelProcess } from '../support/start-process.ts'

let folder: string
let environment: Record<string, string>
let running: OrderwheelProcess[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-dev-'))
  // As root the server runs as another user, who has to get in here.
  await chmod(folder, 0o755)
  running = []
  environment = {
    // Set to nothing, so that a .env of this checkout does not count.
    DATABASE_URL: '',
    ORDERWHEEL_DATA_DIR: join(folder, 'data'),
    PORT: String(await freePort()),
    ORDERWHEEL_SIMULATOR_PORT: String(await freePort()),
    ORDERWHEEL_SMTP_PORT: String(await freePort()),
  }
})
afterEach(async () => {
  await Promise.all(running.map((process) => process.stop('SIGINT')))
  await rm(folder, { recursive: true, force: true })
})

test('an order pasted from what npm start prints reaches every target, and is there after Ctrl-C', async () => {
  const first = start('--speed', '100')
  const request = await pastedRequest(first)
  const answer = await send(request)
  expect(answer.status).toBe(202)
  const { id } = (await answer.json()) as { id: string }
  const completed = await eventually(async () => {
    const order = await readOrder(id)
    return order.state === 'completed' ? order : undefined
  })
  expect(completed.deliveries.map(({ target, state }) => `${target} ${state}`)).toEqual([
    'analytics delivered',
    'audit delivered',
    'confirmation-email delivered',
    'crm delivered',
    'erp delivered',
    'inventory-asia delivered',
    'inventory-eu delivered',
    'inventory-us delivered',
    'partner-webhook delivered',
    'push delivered',
    'receipt delivered',
    'shipping delivered',
    'sms delivered',
  ])
  const pid = await serverPid()

  expect(await first.stop('SIGINT')).toBe(0)
  expect(first.output()).toContain('Stopping: calls under way get up to 8 s. Ctrl-C again stops')
  expect(first.output()).toContain('Stopped.')
  await eventually(() => !isAlive(pid))

  const second = start()
  await second.said(/See what became of it/)
  expect(await readOrder(id)).toEqual(completed)
  expect((await pastedRequest(second)).body).not.toBe(request.body)
})

test('a second Ctrl-C does not wait for the calls under way, and the next start makes them again', async () => {
  const impatient = start()
  const answer = await send(await pastedRequest(impatient))
  const { id } = (await answer.json()) as { id: string }
  await eventually(async () => (await stateOf(id, 'erp')) === 'active')
  impatient.child.kill('SIGINT')
  await impatient.said(/Stopping: .*\n/)

  // The first half second counts as the same Ctrl-C, of the terminal and of npm.
  await eventually(() => {
    impatient.child.kill('SIGINT')
    return impatient.output().includes('Stopped at once; ')
  })

  expect(await impatient.ended).toBe(130)
  await start('--speed', '100').said(/See what became of it/)
  await eventually(async () => (await stateOf(id, 'erp')) === 'delivered', { withinSeconds: 40 })
})

test('a second start in the same folder says what to do and leaves the first alone', async () => {
  const first = start()
  await first.said(/See what became of it/)

  const second = start()

  expect(await second.ended).toBe(1)
  expect(second.output()).toBe(
    `Orderwheel is already running (process ${first.child.pid} at http://127.0.0.1:${environment['PORT']}): ` +
      'stop it with Ctrl-C in its terminal or by killing that process, or set ORDERWHEEL_DATA_DIR to another folder and PORT to another port.\n',
  )
  expect((await fetch(`${url()}/readyz`)).status).toBe(200)
})

test('after a run that was killed the next start takes over, with every order', async () => {
  const killed = start()
  const answer = await send(await pastedRequest(killed))
  const { id } = (await answer.json()) as { id: string }
  const pid = await serverPid()
  await killed.stop('SIGKILL')
  expect(isAlive(pid)).toBe(true)

  const next = start('--speed', '100')
  await next.said(/See what became of it/)

  await eventually(() => !isAlive(pid))
  await eventually(async () => (await readOrder(id)).state === 'completed', { withinSeconds: 40 })
})

test.each([
  ['PORT', 'the API'],
  ['ORDERWHEEL_SIMULATOR_PORT', 'the simulated targets'],
  ['ORDERWHEEL_SMTP_PORT', 'the simulated targets'],
])(
  'when %s is taken the start says so, having called no target, and leaves nothing running',
  async (variable, use) => {
    const taken = await listenOn(Number(environment[variable]))
    try {
      environment['LOG_LEVEL'] = 'info'
      const process = start()

      expect(await process.ended).toBe(1)
      expect(process.output()).not.toContain('worker started')
      expect(process.output()).toContain(
        `Port ${environment[variable]} of 127.0.0.1, wanted for ${use}, is taken. ` +
          `Stop what uses it, or set ${variable} to another port.`,
      )
      const file = await readFile(pidFile(), 'utf8').catch(() => 'gone')
      expect(file).toBe('gone')
    } finally {
      taken.close()
    }
  },
)

test('Ctrl-C while it is still starting stops everything, too', async () => {
  const process = start()
  await eventually(async () => readFile(pidFile(), 'utf8'))

  expect(await process.stop('SIGINT')).toBe(0)

  const file = await readFile(pidFile(), 'utf8').catch(() => 'gone')
  expect(file).toBe('gone')
})

test('a database server that dies ends the run with what it last said', async () => {
  const process = start()
  await process.said(/See what became of it/)
  const pid = await serverPid()

  globalThis.process.kill(pid, 'SIGINT')

  expect(await process.ended).toBe(1)
  expect(process.output()).toContain('The embedded PostgreSQL ended by itself:')
})

function start(...options: string[]): OrderwheelProcess {
  const process = startOrderwheel(['dev', ...options], environment)
  running.push(process)
  return process
}

function url(): string {
  return `http://127.0.0.1:${environment['PORT']}`
}

type Order = { state: string; deliveries: { target: string; state: string }[] }

async function readOrder(id: string): Promise<Order> {
  const headers = { authorization: 'Bearer ow_dev_storefront' }
  const answer = await fetch(`${url()}/orders/${id}`, { headers })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Order
}

async function stateOf(id: string, target: string): Promise<string | undefined> {
  const { deliveries } = await readOrder(id)
  return deliveries.find((delivery) => delivery.target === target)?.state
}

type PastedRequest = { url: string; headers: [string, string][]; body: string }

/** The printed line as a shell understands it: a function in curl's place says what it was given. */
async function pastedRequest(process: OrderwheelProcess): Promise<PastedRequest> {
  const [, line = ''] = await process.said(/\n(curl -i [^]*?\n\}')\n/)
  const script = `curl() { printf '%s\\0' "$@"; }\n${line}\n`
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script])
  const words = stdout.split('\0').slice(0, -1)
  const after = (option: string) =>
    words.flatMap((word, index) => (word === option ? [words[index + 1] ?? ''] : []))
  return {
    url: words.find((word) => word.startsWith('http')) ?? '',
    headers: after('-H').map((header) => {
      const [name = '', value = ''] = header.split(': ')
      return [name, value]
    }),
    body: after('-d')[0] ?? '',
  }
}

function send({ url, headers, body }: PastedRequest): Promise<Response> {
  return fetch(url, { method: 'POST', headers, body })
}

async function serverPid(): Promise<number> {
  return Number((await readFile(pidFile(), 'utf8')).split('\n')[0])
}

function pidFile(): string {
  return join(folder, 'data', 'postgres', 'pgdata', 'postmaster.pid')
}

function listenOn(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
