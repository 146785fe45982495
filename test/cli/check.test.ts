import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startOrderwheel } from '../support/start-process.ts'

const source = `
  import { defineConfig, email, env, http, webhook } from 'orderwheel'
  export default defineConfig({
    targets: {
      erp: http({ url: env('ERP_URL'), method: 'PUT', headers: { authorization: env('TOKEN') } }),
      mail: email({
        after: ['erp'],
        template: 'order-confirmation',
        from: env('EMAIL_FROM', { default: 'Shop <orders@shop.example>' }),
        smtp: { host: 'mail.example.com', user: 'shop', password: env('SMTP_PASSWORD') },
      }),
      partner: webhook({ url: 'https://partner.example/hook?key=s3cret', secret: env('SECRETS') }),
    },
    routes: { 'order.placed': ['erp', 'mail', 'partner'], 'order.cancelled': [] },
  })`
const variables = {
  ERP_URL: 'https://shop:s3cret@erp.example/api',
  TOKEN: 'Bearer s3cret',
  SMTP_PASSWORD: 's3cret',
  SECRETS: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
}

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-check-'))
  await writeFile(join(folder, 'shop.config.ts'), source)
})
afterAll(() => rm(folder, { recursive: true }))

test('check --verbose shows what every target got, and no secret', async () => {
  const { code, output } = await check(variables)

  expect(output).not.toMatch(/s3cret|MfKQ9r8GKY/)
  expect(output.split('\n')).toEqual(
    expect.arrayContaining([
      'erp (http)',
      '  url             https://***@erp.example/api',
      '  method          PUT',
      '  headers         authorization',
      '  timeoutSeconds  30',
      '  retry           attempts 35, delaySeconds 5, maxDelaySeconds 3600',
      'mail (email)',
      '  after           erp',
      '  from            Shop <orders@shop.example>',
      '  smtp            host mail.example.com, user ***, password ***',
      '  to              the customer',
      '  url             https://partner.example/hook?***',
      '  secret          ***',
      'ERP_URL: set',
      'EMAIL_FROM: not set, default "Shop <orders@shop.example>"',
      'order.placed → erp, mail, partner',
    ]),
  )
  expect(code).toBe(0)
})

test('check --verbose shows them while variables are missing, too', async () => {
  const { code, output } = await check({ ERP_URL: variables.ERP_URL, TOKEN: variables.TOKEN })

  expect(output.split('\n')).toEqual(
    expect.arrayContaining([
      '  url             https://***@erp.example/api',
      '  smtp            SMTP_PASSWORD is not set',
      '  secret          SECRETS is not set',
      'TOKEN: set',
      'SMTP_PASSWORD: not set',
      expect.stringMatching(/shop\.config\.ts has 2 mistakes:$/),
      expect.stringMatching(/^Copy \.env\.example to \.env and fill it in/),
    ]),
  )
  expect(code).toBe(1)
})

test('check hints at calls that a stop would cut short, unless they get the time', async () => {
  const hint = /^Hint: when the worker stops, calls of erp \(up to 30 s\), .* get 8 s; .*\.$/m

  const short = await check(variables)
  expect(short.output).toMatch(hint)
  expect(short.code).toBe(0)
  expect((await check({ ...variables, ORDERWHEEL_STOP_SECONDS: '32' })).output).not.toContain(
    'Hint',
  )
})

async function check(environment: Record<string, string>) {
  // Set to nothing, so that a .env of this checkout does not count.
  const empty = { DATABASE_URL: '', EMAIL_FROM: '', ERP_URL: '', TOKEN: '', SMTP_PASSWORD: '' }
  const process = startOrderwheel(['check', '--verbose'], {
    ...empty,
    SECRETS: '',
    ORDERWHEEL_CONFIG: join(folder, 'shop.config.ts'),
    ...environment,
  })
  return { code: await process.ended, output: process.output() }
}
