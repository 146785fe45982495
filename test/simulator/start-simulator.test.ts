import { createServer, type AddressInfo } from 'node:net'

import { createTransport } from 'nodemailer'
import { expect, test, vi } from 'vitest'

import { startSimulator } from '#simulator/start-simulator.ts'

import { getJson, put, silent, startTestSimulator } from './start-test-simulator.ts'

test.for([
  ['port', 'ORDERWHEEL_SIMULATOR_PORT'],
  ['smtpPort', 'ORDERWHEEL_SMTP_PORT'],
] as const)(
  'a taken %s is named with the variable to set, and nothing stays open',
  async (pair) => {
    const [option, variable] = pair
    const taken = createServer()
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const starting = startSimulator({ port: 0, smtpPort: 0, [option]: port, log: silent })
    await expect(starting).rejects.toMatchObject({
      code: 'port-taken',
      message: expect.stringMatching(new RegExp(`${port}.*set ${variable}`)),
    })
    await new Promise((resolve) => taken.close(resolve))
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
  await vi.waitUntil(async () => {
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
