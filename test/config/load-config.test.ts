import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

import { expect, onTestFinished, test } from 'vitest'

import { listEnvironment } from '#config/list-environment.ts'
import { importDefinition, loadConfig } from '#config/load-config.ts'

const demo = resolve(import.meta.dirname, '../../orderwheel.config.ts')
const demoEnvironment = {
  ERP_URL: 'http://127.0.0.1:3900/erp',
  SMTP_URL: 'smtp://127.0.0.1:2525',
  EMAIL_FROM: 'Demo store <orders@shop.example>',
  PARTNER_URL: 'http://127.0.0.1:3900/partner-webhook',
  PARTNER_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  PARTNER_ALLOW_PRIVATE: '127.0.0.1',
  INVENTORY_EU_URL: 'http://127.0.0.1:3900/inventory-eu',
  INVENTORY_US_URL: 'http://127.0.0.1:3900/inventory-us',
  INVENTORY_ASIA_URL: 'http://127.0.0.1:3900/inventory-asia',
  CRM_URL: 'http://127.0.0.1:3900/crm',
  SHIPPING_URL: 'http://127.0.0.1:3900/shipping',
  SMS_URL: 'http://127.0.0.1:3900/sms',
  PUSH_URL: 'http://127.0.0.1:3900/push',
  ANALYTICS_URL: 'http://127.0.0.1:3900/analytics',
  PAYMENT_URL: 'http://127.0.0.1:3900/payment',
  PAYMENT_KEY: 'simulated',
}

test('the shipped file is the demo store: all that a checkout hands over, the email after the ERP and the receipt', async () => {
  const { targets, routes } = await loadConfig({ path: demo, environment: demoEnvironment })
  expect(targets.map(({ name, kind, after }) => [name, kind, after])).toEqual([
    ['erp', 'http', []],
    ['receipt', 'receipt', []],
    ['confirmation-email', 'email', ['erp', 'receipt']],
    ['partner-webhook', 'webhook', []],
    ['inventory-eu', 'http', []],
    ['inventory-us', 'http', []],
    ['inventory-asia', 'http', []],
    ['crm', 'http', []],
    ['shipping', 'http', []],
    ['sms', 'http', ['erp', 'shipping']],
    ['push', 'http', ['erp']],
    ['audit', 'audit', []],
    ['analytics', 'batch', []],
    ['payment', 'http', []],
    ['reports', 'reports', []],
  ])
  expect(routes).toEqual({
    'order.placed': targets.slice(0, -2).map(({ name }) => name),
    'order.cancelled': targets.slice(0, -1).map(({ name }) => name),
    'stock.changed': ['partner-webhook', 'analytics'],
    'report.requested': ['reports'],
  })
  for (const target of targets) await target.close()
})

test('the variables the shipped file names are the ones it needs', async () => {
  const variables = listEnvironment(await importDefinition(demo))
  expect(variables.map(({ variable }) => variable)).toEqual([
    'ERP_URL',
    'EMAIL_FROM',
    'SMTP_URL',
    'PARTNER_URL',
    'PARTNER_SECRET',
    'PARTNER_ALLOW_PRIVATE',
    'INVENTORY_EU_URL',
    'INVENTORY_US_URL',
    'INVENTORY_ASIA_URL',
    'CRM_URL',
    'SHIPPING_URL',
    'SMS_URL',
    'PUSH_URL',
    'ANALYTICS_URL',
    'PAYMENT_URL',
    'PAYMENT_KEY',
    'ALERT_URL',
  ])
  expect(variables[0]).toEqual({
    variable: 'ERP_URL',
    paths: ['targets.erp.url'],
    description: 'where the ERP takes orders',
  })
  expect(variables[5]).toMatchObject({ default: '' })
  await expect(loadConfig({ path: demo, environment: {} })).rejects.toThrow(/has 15 mistakes:\n/)
})

test('a webhook of the shipped file into the network needs the allow-list', async () => {
  const { PARTNER_ALLOW_PRIVATE: _, ...environment } = demoEnvironment
  await expect(loadConfig({ path: demo, environment })).rejects.toThrow(
    'targets.partner-webhook.url: 127.0.0.1 is not on the public internet',
  )
})

test('a file outside this package imports orderwheel', async () => {
  const path = await writeConfig(`
    import { custom, defineConfig, env, giveUp } from 'orderwheel'
    const reason: string = 'from the file'
    export default defineConfig({
      targets: { loyalty: custom(async () => giveUp(reason), { after: [env('FIRST')] }) },
      routes: { 'order.placed': ['loyalty'] },
    })`)
  expect(await loadInNode(path)).toMatch(/targets\.loyalty\.after\.0: .* FIRST is not set/)
})

test('a missing file is a sentence that says what to do', async () => {
  await expect(loadConfig({ path: 'shop.config.ts', environment: {} })).rejects.toMatchObject({
    code: 'config',
    message: expect.stringMatching(
      /^There is no configuration file shop\.config\.ts\. Set ORDERWHEEL_CONFIG /,
    ) as string,
  })
})

test.each([
  ['a folder', '.', /^\. is a folder\. Set ORDERWHEEL_CONFIG to the configuration file itself, /],
  ['another file', 'package.json', /^package\.json is no TypeScript or JavaScript file /],
])('%s instead of a configuration file is a sentence', async (_case, path, message) => {
  await expect(loadConfig({ path, environment: {} })).rejects.toMatchObject({
    code: 'config',
    message: expect.stringMatching(message) as string,
  })
})

test.each([
  [
    'broken syntax',
    'export default {',
    /orderwheel\.config\.ts does not load \(line 1\): Unexpected token/,
  ],
  [
    'TypeScript that is not only types',
    '\nenum A { b }',
    /does not load \(line 2\): TypeScript enum is not supported/,
  ],
  ['an error while it runs', "throw new Error('no shop')", /does not load \(line 1\): no shop/],
  ['an import of nothing', "import './targets.ts'", /does not load: .*targets\.ts/],
  ['an import of a wrong name', "import { htp } from 'orderwheel'", /orderwheel\.config\.ts .*htp/],
  ['no default export', 'export const targets = {}', /must export default defineConfig/],
])('a file with %s is a sentence', async (_case, source, message) => {
  expect(await loadInNode(await writeConfig(source))).toMatch(message)
})

/** What Node itself makes of the file, without the test runner's own loader: the sentence it is refused with. */
async function loadInNode(path: string): Promise<string> {
  const script = `
    import { loadConfig } from '#config/load-config.ts'
    await loadConfig({ path: process.argv[1], environment: {} }).catch((error) => {
      if (error.code !== 'config') throw error
      console.log(error.message)
    })`
  const options = { cwd: resolve(import.meta.dirname, '../..') }
  const args = ['--input-type=module', '--eval', script, path]
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  return stdout
}

async function writeConfig(source: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'orderwheel-config-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'orderwheel.config.ts')
  await writeFile(path, source)
  return path
}
