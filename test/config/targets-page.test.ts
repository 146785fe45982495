import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { loadConfig } from '#config/load-config.ts'
import { targetKinds } from '#targets/target-kinds.ts'
import { commonOptions } from '#targets/target-options.ts'
import { circuitDefaults, targetDefaults } from '#targets/target.ts'

const docs = new URL('../../docs/', import.meta.url)
const page = await readFile(new URL('targets.md', docs), 'utf8')
const pages: Record<string, string> = Object.fromEntries(
  await Promise.all(
    Object.keys(targetKinds).map(async (kind) => [
      kind,
      await readFile(new URL(`targets/${kind}.md`, docs), 'utf8'),
    ]),
  ),
)

test('the page of targets has the options of every kind, and leads to a page for each', () => {
  expect(Object.keys(tableOf('every kind', page))).toEqual(Object.keys(commonOptions))
  for (const kind of Object.keys(targetKinds)) expect(page).toContain(`(targets/${kind}.md)`)
})

test.each(Object.entries(targetKinds))(
  'the page of %s has every option of it, and an example',
  (kind, { schema }) => {
    const { properties } = schema as unknown as { properties: object }
    const own = Object.keys(properties).filter(
      (option) => !(option in commonOptions) && option !== 'tell',
    )
    expect(Object.keys(tableOf(kind, pages[kind])).toSorted()).toEqual(own.toSorted())
    expect(pages[kind]).toMatch(new RegExp(`\\b${kind}\\(`))
  },
)

test('the defaults on the page of targets are those that count', () => {
  const { timeoutSeconds, concurrency, priority, idempotent, retry } = targetDefaults
  expect(tableOf('every kind', page)).toMatchObject(inCode({ timeoutSeconds, concurrency }))
  expect(tableOf('every kind', page)).toMatchObject(inCode({ priority, idempotent }))
  const retryOnPage = Object.entries(retry).map(([option, value]) => `${option}: ${value}`)
  expect(page).toContain(`{ ${retryOnPage.join(', ')} }`)
  expect(tableOf('circuit', page)).toEqual(inCode(circuitDefaults))
})

test('the examples on the pages of targets are configurations without mistakes', async () => {
  const examples = [page, ...Object.values(pages)]
    .flatMap((text) => [...text.matchAll(/```ts\n(.*?)```/gs)])
    .map(([, code = '']) => code)
  const names = examples.map((code) => /^'?([a-z-]+)/.exec(code)?.[1])
  // By its place: how a file outside finds the package is Node's affair, and the test runner's own here.
  const orderwheel = new URL('../../src/config/index.ts', import.meta.url).href
  const source = `
    import { audit, batch, classifyAnswer, custom, defineConfig, email, env, http, receipt, textAt, tryAgain, webhook } from '${orderwheel}'
    export default defineConfig({
      targets: { ${examples.join('\n')} },
      routes: { 'order.placed': ${JSON.stringify(names)}, 'order.cancelled': [] },
    })`
  const directory = await mkdtemp(join(tmpdir(), 'orderwheel-page-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'orderwheel.config.ts')
  await writeFile(path, source)

  const { targets } = await loadConfig({
    path,
    environment: {
      SEARCH_URL: 'https://search.example.com',
      SHIPPING_URL: 'https://rates.example.com',
      TRACKING_URL: 'https://tracking.example.com',
      BUSINESS_CENTRAL_URL: 'https://bc.example.com/orders',
      PARTNER_URL: 'https://partner.example.com',
      PARTNER_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
      SMTP_URL: 'smtp://mail.example.com',
      INVENTORY_URL: 'https://stock.example.com',
      SMS_URL: 'https://sms.example.com/Messages',
      SMS_LOGIN: 'user:password',
      PUSH_URL: 'https://push.example.com',
      ERP_URL: 'https://erp.example.com',
      ERP_TOKEN: 'token',
    },
  })

  const own = targets.filter(({ kind }) => kind !== 'reports')
  expect(own.map(({ name }) => name)).toEqual(names)
  expect(new Set(own.map(({ kind }) => kind))).toEqual(new Set(Object.keys(targetKinds)))
  await Promise.all(targets.map((target) => target.close()))
})

/** Options and their defaults, as the table between the comments has them. */
function tableOf(mark: string, text = ''): Record<string, string> {
  const [, table = ''] = new RegExp(`<!-- ${mark} -->(.*)<!-- /${mark} -->`, 's').exec(text) ?? []
  const rows = [...table.matchAll(/^\| `(\w+)` +\| (.*?) *\|/gm)]
  return Object.fromEntries(rows.map(([, option = '', value = '']) => [option, value]))
}

function inCode(values: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([option, value]) => [option, `\`${value}\``]),
  )
}
