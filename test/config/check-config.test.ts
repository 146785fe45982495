import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { checkConfig } from '#config/check-config.ts'
import {
  approved,
  audit,
  custom,
  customPayment,
  defineConfig,
  email,
  env,
  http,
  receipt,
  webhook,
  delivered,
} from '#config/index.ts'
import { circuitDefaults, targetDefaults } from '#targets/target.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const url = 'https://erp.example.com/orders'
const mail = {
  template: 'order-confirmation',
  from: 'Shop <orders@shop.example>',
  smtp: 'smtp://mail.example.com',
}

test('alerts go where the configuration says, nowhere without an address', () => {
  const shop = { targets: { loyalty: custom(async () => {}) }, routes: {} }
  const address = { url: env('ALERT_URL', { default: '' }) }
  expect(check(shop, {}).alerts).toBeNull()
  expect(check({ ...shop, alerts: address }, {}).alerts).toBeNull()
  expect(check({ ...shop, alerts: address }, { ALERT_URL: url }).alerts).toEqual({ url })
  const wrong = (alerts: unknown) => mistakesOf({ ...shop, alerts })
  expect(wrong({ url: 'ftp://hooks.example' })).toEqual([
    'alerts.url: must be an address such as https://hooks.example.com/services/…',
  ])
  expect(wrong({ ulr: url })).toEqual(['alerts.ulr: is not a setting of alerts; did you mean url?'])
  expect(wrong(url)).toEqual(["alerts: must be an object: { url: env('ALERT_URL') }"])
  expect(wrong({ url: env('ALERT_URL') })).toEqual([
    'alerts.url: the environment variable ALERT_URL is not set',
  ])
})

test('how much may wait before orders are refused is a setting', () => {
  const shop = { targets: { loyalty: custom(async () => {}) }, routes: {} }
  expect(check(shop, {}).intake).toEqual({ maxWaiting: 1_000_000, maxAgeSeconds: null })
  const intake = { maxAgeSeconds: 3_600 }
  expect(check({ ...shop, intake }, {}).intake).toEqual({ maxWaiting: 1_000_000, ...intake })
  expect(mistakesOf({ ...shop, intake: { maxWaiting: 0, maxAge: 5 } })).toEqual([
    'intake.maxAge: is not a setting of intake; did you mean maxAgeSeconds?',
    'intake.maxWaiting: must be at least 1',
  ])
})

test('a target that may miss something says from how many open deliveries on', () => {
  const droppable = (option: unknown) =>
    check({ targets: { analytics: http({ url, droppable: option } as never) }, routes: {} }, {})
      .targets[0]?.droppable
  expect(droppable(true)).toEqual({ maxOpen: 10_000 })
  expect(droppable({ maxOpen: 5 })).toEqual({ maxOpen: 5 })
  expect(droppable({})).toEqual({ maxOpen: 10_000 })
  expect(droppable(false)).toBeNull()
  expect(droppable(undefined)).toBeNull()
})

test('nothing that others need may be missed', () => {
  const seller = { name: 'Shop', lines: [] }
  const definition = {
    targets: {
      erp: http({ url, droppable: true }),
      mail: email({ ...mail, after: ['erp'] }),
      receipt: receipt({ seller, droppable: true }),
      audit: audit({ droppable: { maxOpen: 5 } }),
      crm: http({ url, droppable: false }),
      shipping: http({ url, droppable: true, after: ['crm'] }),
      analytics: http({ url, droppable: { maxOpen: 0 } }),
    },
    payment: customPayment(async () => approved('1'), {
      mode: 'authorise',
      capture: async () => delivered(),
      captureAfter: ['shipping'],
    }),
    routes: { 'order.placed': ['erp', 'mail', 'crm', 'shipping'] },
  }
  const leftOut = 'is for what may be missed, and'
  expect(mistakesOf(definition).filter((mistake) => mistake.includes('droppable'))).toEqual([
    'targets.analytics.droppable.maxOpen: must be at least 1',
    `targets.erp.droppable: ${leftOut} mail waits for it: leave it out, or take erp out of the after of mail`,
    `targets.receipt.droppable: ${leftOut} buyers ask for their receipts: leave it out`,
    `targets.audit.droppable: ${leftOut} a record with gaps proves nothing: leave it out`,
    `targets.shipping.droppable: ${leftOut} payment waits for it: leave it out, or take shipping out of payment.captureAfter`,
  ])
})

test('a configuration without mistakes becomes targets with every default filled in', async () => {
  const { targets, routes } = check(
    {
      targets: {
        erp: http({ url: env('ERP_URL'), retry: { attempts: 5 } }),
        mail: email({ ...mail, after: ['erp'], priority: env('PRIORITY') }),
        partner: webhook({ url, secret: env('PARTNER_SECRET'), rate: { max: 1, perSeconds: 0.1 } }),
        loyalty: custom(async () => {}, {
          timeoutSeconds: 5,
          idempotent: false,
          circuit: { failuresInARow: 1, maxProbeAfterSeconds: 5 },
        }),
        stock: custom(async () => {}, { circuit: false, priority: 'low' }),
      },
      routes: { 'order.placed': ['erp', 'mail', 'partner', 'loyalty'], 'order.cancelled': ['erp'] },
    },
    { ERP_URL: url, PARTNER_SECRET: `${secret} ${secret}`, PRIORITY: 'high' },
  )
  expect(targets).toMatchObject([
    {
      ...targetDefaults,
      name: 'erp',
      kind: 'http',
      retry: { ...targetDefaults.retry, attempts: 5 },
    },
    { ...targetDefaults, name: 'mail', kind: 'email', after: ['erp'], priority: 'high' },
    { ...targetDefaults, name: 'partner', kind: 'webhook', rate: { max: 1, perSeconds: 0.1 } },
    {
      ...targetDefaults,
      name: 'loyalty',
      kind: 'custom',
      timeoutSeconds: 5,
      idempotent: false,
      circuit: { ...circuitDefaults, failuresInARow: 1, maxProbeAfterSeconds: 5 },
    },
    { ...targetDefaults, name: 'stock', kind: 'custom', circuit: null, priority: 'low' },
    { name: 'reports', kind: 'reports', timeoutSeconds: 3_600, circuit: null, priority: 'low' },
  ])
  expect(routes['report.requested']).toEqual(['reports'])
  expect(routes['order.cancelled']).toEqual(['erp'])
  for (const target of targets) await target.close()
})

test('every mistake is said at once', () => {
  const definition = {
    targets: {
      erp: { ...http({ url: 'erp', timeoutSecond: 30, method: 'SEND' } as never) },
      Mail: email({ ...mail, from: 'nobody' }),
      partner: webhook({ url: env('PARTNER_URL'), secret: 'whsec_short' }),
      analytics: http({ url, after: ['epr'], concurrency: 0 }),
      loyalty: { kind: 'htp', options: {} },
      stock: 'https://stock.example.com',
    },
    routes: { 'order.place': ['erp'], 'order.placed': ['anaytics', 'erp', 'erp'] },
    rutes: {},
  }
  expect(mistakesOf(definition)).toEqual([
    'rutes: is not a setting of defineConfig(); did you mean routes?',
    'targets.erp.timeoutSecond: is not an option of http(); did you mean timeoutSeconds?',
    'targets.erp.method: must be one of GET, POST, PUT, PATCH, DELETE',
    'targets.Mail: a target name has 1 to 40 small letters, digits and hyphens, and starts with a letter or digit',
    'targets.Mail.from: must be one address like Shop <orders@shop.example>',
    'targets.partner.url: the environment variable PARTNER_URL is not set',
    'targets.partner.secret: must be whsec_ and the base64 of 24 to 64 random bytes, or several of them',
    'targets.analytics.concurrency: must be at least 1',
    'targets.loyalty: there is no kind of target htp; did you mean http? There are http(), batch(), email(), webhook(), receipt(), audit(), custom()',
    'targets.stock: must be what one of http(), batch(), email(), webhook(), receipt(), audit(), custom() returns',
    "routes['order.place']: is not a kind of message; did you mean order.placed? There are order.placed, order.cancelled",
    "routes['order.placed'][0]: there is no target anaytics; did you mean analytics?",
    "routes['order.placed'][2]: erp is already in this route",
    'targets.analytics.after: there is no target epr; did you mean erp?',
  ])
})

test.each([
  [{ timeoutSeconds: '30' }, 'timeoutSeconds: must be a number'],
  [{ timeoutSeconds: 0 }, 'timeoutSeconds: must be at least 0.1'],
  [{ timeoutSeconds: 3601 }, 'timeoutSeconds: must be at most 3600'],
  [{ concurrency: 1.5 }, 'concurrency: must be a whole number'],
  [{ idempotent: 'yes' }, 'idempotent: must be true or false'],
  [{ after: 'crm' }, 'after: must be a list'],
  [{ answer: 'ok' }, 'answer: must be a function'],
  [{ headers: 'x: y' }, 'headers: must be an object or a function'],
  [{ headers: { 'x-shop': 3 } }, 'headers.x-shop: must be text or a function'],
  [{ retry: { wait: 3 } }, 'retry.wait: is not an option of http()'],
  [{ retry: { delay: 3 } }, 'retry.delay: is not an option of http(); did you mean delaySeconds?'],
  [
    { retry: { maxDelaySecond: 3 } },
    'retry.maxDelaySecond: is not an option of http(); did you mean maxDelaySeconds?',
  ],
  [
    { retry: { delaySeconds: 60, maxDelaySeconds: 30 } },
    'retry.maxDelaySeconds: is 30, less than retry.delaySeconds, which is 60; make it 60 or more',
  ],
  [
    { retry: { delaySeconds: 7200 } },
    'retry.maxDelaySeconds: is 3600, less than retry.delaySeconds, which is 7200; make it 7200 or more',
  ],
  [{ lookup: true }, 'lookup: must be a function'],
  [{ method: 5 }, 'method: must be one of GET, POST, PUT, PATCH, DELETE'],
  [{ priority: 'hihg' }, 'priority: must be one of high, normal, low'],
  [{ priority: 1 }, 'priority: must be one of high, normal, low'],
  [{ rate: 10 }, 'rate: must be an object'],
  [{ rate: { max: 10 } }, 'rate.perSeconds: is missing'],
  [{ rate: { max: 0, perSeconds: 1 } }, 'rate.max: must be at least 1'],
  [{ rate: { max: 1_000_001, perSeconds: 1 } }, 'rate.max: must be at most 1000000'],
  [{ rate: { max: 1.5, perSeconds: 1 } }, 'rate.max: must be a whole number'],
  [{ rate: { max: 1, perSeconds: 0 } }, 'rate.perSeconds: must be at least 0.1'],
  [{ rate: { max: 1, perSeconds: 86_401 } }, 'rate.perSeconds: must be at most 86400'],
  [
    { rate: { max: 1, perSeconds: 1, perMinutes: 1 } },
    'rate.perMinutes: is not an option of http()',
  ],
  [{ circuit: true }, 'circuit: must be false or an object'],
  [{ circuit: 'off' }, 'circuit: must be false or an object'],
  [{ circuit: { failuresInARow: 0 } }, 'circuit.failuresInARow: must be at least 1'],
  [{ circuit: { failuresInARow: 1_001 } }, 'circuit.failuresInARow: must be at most 1000'],
  [{ circuit: { failureRate: 0 } }, 'circuit.failureRate: must be more than 0'],
  [{ circuit: { failureRate: 50 } }, 'circuit.failureRate: must be at most 1'],
  [{ circuit: { minimumCalls: 0 } }, 'circuit.minimumCalls: must be at least 1'],
  [{ circuit: { minimumCalls: 10_001 } }, 'circuit.minimumCalls: must be at most 10000'],
  [{ circuit: { windowSeconds: 0 } }, 'circuit.windowSeconds: must be at least 1'],
  [{ circuit: { windowSeconds: 3_601 } }, 'circuit.windowSeconds: must be at most 3600'],
  [{ circuit: { probeAfterSeconds: 0 } }, 'circuit.probeAfterSeconds: must be at least 1'],
  [
    { circuit: { maxProbeAfterSeconds: 3_601 } },
    'circuit.maxProbeAfterSeconds: must be at most 3600',
  ],
  [
    { circuit: { probeAfter: 10 } },
    'circuit.probeAfter: is not an option of http(); did you mean probeAfterSeconds?',
  ],
  [
    { circuit: { probeAfterSeconds: 120 } },
    'circuit.maxProbeAfterSeconds: is 60, less than circuit.probeAfterSeconds, which is 120; make it 120 or more',
  ],
  [
    { circuit: { maxProbeAfterSeconds: 4 } },
    'circuit.maxProbeAfterSeconds: is 4, less than circuit.probeAfterSeconds, which is 5; make it 5 or more',
  ],
  [{ url: undefined }, 'url: is missing'],
  [{ url: '' }, 'url: is not a complete address like https://erp.example.com/orders'],
  [{ url: 'ftp://erp' }, 'url: must start with http:// or https://, not ftp:'],
  [{ url: 'https://a:%@erp' }, 'url: has a % in its user or password that has to be written %25'],
])('http(%j) is told: %s', (options, mistake) => {
  const target = http({ url, ...options } as never)
  expect(mistakesOf({ targets: { erp: target }, routes: {} })).toEqual([`targets.erp.${mistake}`])
})

test.each([
  [
    { url: 'http://partner.example.com' },
    'url: must be https, unless partner.example.com is added to allowPrivate',
  ],
  [
    { url: 'https://169.254.169.254' },
    'url: 169.254.169.254 is not on the public internet: add it to allowPrivate if it is meant',
  ],
  [
    { allowPrivate: '10.0.0.0/8 10.0.0.0/99' },
    'allowPrivate: 10.0.0.0/99 is no host, address or range like 10.0.0.0/8',
  ],
  [
    { secret: [] },
    'secret: must be whsec_ and the base64 of 24 to 64 random bytes, or several of them',
  ],
  [{ secret: 7 }, 'secret: must be text or a list'],
])('webhook(%j) is told: %s', (options, mistake) => {
  const target = webhook({ url, secret, ...options } as never)
  expect(mistakesOf({ targets: { partner: target }, routes: {} })).toEqual([
    `targets.partner.${mistake}`,
  ])
})

test.each([
  [{ smtp: 'mail.example.com' }, 'smtp: must be an address like smtp://user:password@host:587'],
  [
    { smtp: { host: 'mail', prt: 25 } },
    'smtp.prt: is not an option of email(); did you mean port?',
  ],
  [{ smtp: { host: 'mail', port: 0 } }, 'smtp.port: must be at least 1'],
  [{ smtp: 25 as never }, 'smtp: must be text or an object'],
  [{ timeZone: 'Berlin' }, 'timeZone: must be a time zone like Europe/Berlin'],
  [
    { to: 'a@example.com, b@example.com' },
    'to: must be one address like Shop <orders@shop.example>',
  ],
  [
    { template: 'order' },
    'template: there is no template order; there are: order-cancellation, order-confirmation',
  ],
  [
    { template: '../http' },
    'template: there is no template ../http; there are: order-cancellation, order-confirmation',
  ],
])('email(%j) is told: %s', (options, mistake) => {
  const target = email({ ...mail, ...options })
  expect(mistakesOf({ targets: { mail: target }, routes: {} })).toEqual([`targets.mail.${mistake}`])
})

test('a template of one’s own with a mistake in its syntax is told with its file and line', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'orderwheel-templates-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const template = join(directory, 'mails', 'thanks')
  mkdirSync(template, { recursive: true })
  writeFileSync(join(template, 'subject.liquid'), 'Thanks')
  writeFileSync(join(template, 'html.liquid'), '<p>\n{% if order.note %}</p>')
  writeFileSync(join(template, 'text.liquid'), '{{ order.note | shout }}')
  const definition = {
    targets: { mail: email({ ...mail, template: 'thanks', templatesDirectory: './mails' }) },
    routes: {},
  }
  const [first, ...others] = mistakesOf(definition, {}, directory)
  expect(first).toMatch(
    /^targets\.mail\.template: .*html\.liquid cannot be read as Liquid: .*line:2/,
  )
  expect(others).toEqual([])
  writeFileSync(join(template, 'html.liquid'), '<p></p>')
  expect(mistakesOf(definition, {}, directory)[0]).toContain('undefined filter: shout')
})

test('targets that would wait for ever are told', () => {
  const wait = (...after: string[]) => custom(async () => {}, { after })
  const definition = {
    targets: { a: wait('c'), b: wait('a'), c: wait('b'), d: wait('d'), e: wait('f'), f: wait() },
    routes: { 'order.placed': ['a', 'b', 'c', 'd', 'e', 'f'], 'order.cancelled': ['e'] },
  }
  expect(mistakesOf(definition)).toEqual([
    'targets.a.after: waits in a circle: a → c → b → a',
    'targets.b.after: waits in a circle: b → a → c → b',
    'targets.c.after: waits in a circle: c → b → a → c',
    'targets.d.after: a target cannot wait for itself',
    "targets.e.after: waits for f, which routes['order.cancelled'] does not tell: add f to it",
  ])
})

test('a name in a route that is no target is marked there, by the editor too', () => {
  const definition = defineConfig({
    targets: { erp: http({ url, path: ({ order }) => order.externalId }), crm: http({ url }) },
    routes: {
      // @ts-expect-error: the types know the targets
      'order.placed': ['epr'],
      'order.cancelled': ['crm'],
    },
  })
  expect(mistakesOf(definition)).toEqual([
    "routes['order.placed'][0]: there is no target epr; did you mean erp?",
  ])
})

test('a missing variable is named with its description, and one that is set to nothing is missing too', () => {
  const token = env('ERP_TOKEN', {
    description: 'the API token',
    format: (text) => `Bearer ${text}`,
  })
  const target = http({ url: env('ERP_URL'), headers: { authorization: token } })
  expect(mistakesOf({ targets: { erp: target }, routes: {} }, { ERP_TOKEN: '' })).toEqual([
    'targets.erp.url: the environment variable ERP_URL is not set',
    expect.stringMatching(
      /^targets\.erp\.headers\.authorization: the environment variable ERP_TOKEN is not set \(the API token\)\nCopy \.env\.example to \.env and fill it in; /,
    ),
  ])
})

test('a variable put into a string says how to write it instead', () => {
  expect(() => `Bearer ${env('ERP_TOKEN') as unknown as string}`).toThrow(
    "env('ERP_TOKEN', { format: (value) => … })",
  )
})

test.each([[undefined], ['erp'], [[]]])(
  'a file that exports %j by default is told what to export',
  (definition) => {
    expect(() => check(definition)).toThrow(
      'shop.config.ts must export default defineConfig({ targets, routes })',
    )
  },
)

test('no targets and no routes are two mistakes', () => {
  expect(mistakesOf({})).toEqual([
    'targets: must be an object of targets by name',
    "routes: must be an object like { 'order.placed': ['erp'] }",
  ])
})

function check(definition: unknown, environment = {}, directory = '/') {
  return checkConfig(definition, { file: 'shop.config.ts', environment, directory })
}

test('a mail attaches only what is made before it, by a target that makes files', () => {
  const mail = (after: string[], attach: string[]) =>
    email({ template: 'order-confirmation', from: 'a@b.example', smtp: 'smtp://m', after, attach })
  const targets = {
    receipt: receipt({ seller: { name: 'Shop' } }),
    label: custom(async () => {}),
    erp: http({ url: 'http://erp' }),
    mail: mail(['receipt', 'label'], ['receipt', 'label']),
    early: mail([], ['receipt']),
    wrong: mail(['erp'], ['erp']),
  }
  expect(mistakesOf({ targets, routes: {} })).toEqual([
    'targets.early.attach: attaches what receipt makes without waiting for it: add receipt to after',
    'targets.wrong.attach: attaches what erp makes, but http() makes no files; receipt() and custom() do',
  ])
})

function mistakesOf(definition: unknown, environment = {}, directory = '/'): string[] {
  try {
    check(definition, environment, directory)
    return []
  } catch (error) {
    const [, ...mistakes] = (error as Error).message.split('\n  ')
    return mistakes
  }
}

test('a target cannot be named as the one that makes reports, nor can that one be told of anything else', () => {
  const definition = {
    targets: { reports: custom(async () => {}) },
    routes: { 'order.placed': ['reports'], 'report.requested': ['reports'] },
  }
  expect(() => check(definition)).toThrow(
    /targets\.reports: is what makes reports.*\n.*routes\['report\.requested'\]: is not a kind of message/,
  )
  expect(() => check({ targets: {}, routes: { 'order.placed': ['reports'] } })).toThrow(
    "routes['order.placed'][0]: there is no target reports",
  )
})
