import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { createKey } from '#keys/create-key.ts'
import { exampleOrder } from '#messages/example-order.ts'
import type { Order } from '#messages/order.ts'

import { newOrder } from '../http/test-api.ts'
import { startFlakyFront } from '../support/start-flaky-front.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

const examples = fileURLToPath(new URL('../../examples/storefront/', import.meta.url))

const languages = [
  { name: 'TypeScript', program: process.execPath, file: 'place-order.ts' },
  { name: 'PHP', program: 'php', file: 'place-order.php' },
  { name: 'Python', program: 'python3', file: 'place_order.py' },
]

let database: TestDatabase
let folder: string
let key: string
let url = ''
let stop: () => Promise<unknown>

beforeAll(async () => {
  database = await testDatabase()
  ;({ key } = await createKey(database.db, { name: 'shop', scopes: ['orders:write'], who: 'test' }))
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-storefront-'))
  const configuration = join(folder, 'orderwheel.config.ts')
  await writeFile(
    configuration,
    `import { defineConfig, http } from 'orderwheel'
export default defineConfig({
  targets: { erp: http({ url: 'http://127.0.0.1:9' }) },
  routes: { 'order.placed': ['erp'] },
})`,
  )
  const api = startOrderwheel(['api'], {
    DATABASE_URL: connectionString(database.connection),
    ORDERWHEEL_CONFIG: configuration,
    PORT: '0',
  })
  stop = () => api.stop()
  ;[, url = ''] = await api.said(/listening at (http:\/\/[\d.:]+)/i)
})
afterAll(async () => {
  await stop()
  await rm(folder, { recursive: true })
  await database.close()
})

describe.for(languages)('the example in $name', ({ name, program, file }) => {
  const isThere = spawnSync(program, ['--version']).status === 0
  if (!isThere) console.warn(`${program} is not installed: the example in ${name} is not run.`)

  test.skipIf(!isThere)('places an order once, whatever becomes of the answers', async () => {
    const front = await startFlakyFront(url, ['lose-answer', 'refuse', 'cut-short'])
    onTestFinished(() => front.stop())
    const order = newOrder({ metadata: {}, note: 'Grüße, "Ada" €' })
    const ended = await run(program, { file, order, url: front.url })
    expect(ended).toMatchObject({ code: 0, errors: '' })
    const [placed] = await placedAs(order)
    expect(ended.output).toBe(`${order.externalId} is received: ${placed?.id}\n`)
    expect(placed?.document).toEqual(order)

    const keys = new Set(front.passed.map(({ idempotencyKey }) => idempotencyKey))
    expect([...keys]).toEqual([expect.stringContaining(order.externalId)])
    const [, refused, next] = front.passed
    expect((next?.atMs ?? 0) - (refused?.atMs ?? 0)).toBeGreaterThanOrEqual(990)
    expect(front.passed).toHaveLength(4)
  })

  test.skipIf(!isThere)('places the order beside it when no other is named', async () => {
    await database.pool.query(`delete from orderwheel.orders where external_id = 'WEB-10042'`)
    const ended = await run(program, { file, url })
    expect(ended).toMatchObject({ code: 0, errors: '' })
    expect((await placedAs(exampleOrder('WEB-10042')))[0]?.document).toEqual(
      exampleOrder('WEB-10042'),
    )
  })

  test.skipIf(!isThere)(
    'says what is wrong with an order, and does not send it again',
    async () => {
      const front = await startFlakyFront(url, [])
      onTestFinished(() => front.stop())
      const order = { ...newOrder(), currency: 'XXX' }
      const ended = await run(program, { file, order, url: front.url })
      expect(ended.code).toBe(1)
      expect(ended.errors).toMatch(
        /^invalid-order: The order breaks at least one rule\n {2}\/currency: /,
      )
      expect(front.passed).toHaveLength(1)
    },
  )
})

type Example = { file: string; order?: Order; url: string }

async function run(program: string, { file, order, url }: Example) {
  const orderFile = join(folder, `${order?.externalId}.json`)
  if (order) await writeFile(orderFile, JSON.stringify(order))
  const named = order ? [orderFile] : []
  const env = { ...process.env, ORDERWHEEL_URL: url, ORDERWHEEL_API_KEY: key }
  return new Promise<{ code: number; output: string; errors: string }>((resolve) => {
    execFile(program, [join(examples, file), ...named], { env }, (error, output, errors) => {
      resolve({ code: Number(error?.code ?? 0), output, errors })
    })
  })
}

async function placedAs({ externalId }: Order) {
  const { rows } = await database.pool.query<{ id: string; document: Order }>(
    'select id, document from orderwheel.orders where external_id = $1',
    [externalId],
  )
  return rows
}
