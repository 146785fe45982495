import { createServer, type AddressInfo, type Server } from 'node:net'

import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'

import { startSimulator } from '#simulator/start-simulator.ts'

import { eventually } from '../support/eventually.ts'
import { getJson, put, silent, startTestSimulator } from './start-test-simulator.ts'

test.for([
  ['port', 'ORDERWHEEL_SIMULATOR_PORT'],
  ['smtpPort', 'ORDERWHEEL_SMTP_PORT'],
] as const)(
  'a taken %s is named with the variable to set, and nothing stays open',
  async (pair) => {
    const [option, variable] = pair
    const taken = await listen(0)
    const ports = { port: await freePort(), smtpPort: await freePort(), [option]: portOf(taken) }
    await expect(startSimulator({ ...ports, log: silent })).rejects.toMatchObject({
      code: 'port-taken',
      message: expect.stringMatching(new RegExp(`${portOf(taken)}.*set ${variable}`)),
    })
    await close(taken)
    await close(await listen(ports.port))
    await close(await listen(ports.smtpPort))
  },
)

test('stopping breaks what is under way and frees both ports; stopping twice is fine', async () => {
  const first = await startTestSimulator()
  await put(`${first.url}/erp/behaviour`, { hang: true })
  await put(`${first.url}/mailbox/behaviour`, { hang: true })
  const call = fetch(`${first.url}/erp/orders`).catch((error: unknown) => error)
  const mail = createTransport(first.smtpUrl)
    .sendMail({ from: 'shop@example.com', to: 'ada@example.com', text: 'Hello' })
    .catch((error: unknown) => error)
  await eventually(async () => {
    return (await getJson<unknown[]>(`${first.url}/erp/calls`)).length === 1
  })

  await Promise.all([first.stop(), first.stop()])
  expect(await call).toBeInstanceOf(Error)
  expect(await mail).toBeInstanceOf(Error)
  const second = await startSimulator({
    port: Number(new URL(first.url).port),
    smtpPort: Number(new URL(first.smtpUrl).port),
    log: silent,
  })
  await second.stop()
})

test.for([0, -1, Infinity, Number.NaN])('a speed of %d is refused', async (speed) => {
  const starting = startSimulator({ port: 0, smtpPort: 0, speed, log: silent })
  await expect(starting).rejects.toMatchObject({ code: 'usage' })
})

async function freePort(): Promise<number> {
  const server = await listen(0)
  const port = portOf(server)
  await close(server)
  return port
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function close(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve))
}
