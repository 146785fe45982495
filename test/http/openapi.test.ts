import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'

import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { exampleOrder } from '#messages/example-order.ts'
import { declareTargets } from '#status/declare-targets.ts'
import { targetDefaults } from '#targets/target.ts'

import { buryMany } from '../support/bury-many.ts'
import { newOrder, send, startTestApi, type TestApi } from './test-api.ts'

type OpenApi = {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object>; securitySchemes: object }
}
type Operation = {
  operationId: string
  security?: object[]
  parameters?: { name: string; in: string; required: boolean }[]
  responses: Record<string, { description: string; content?: Record<string, unknown> }>
}

let api: TestApi
let document: OpenApi
beforeAll(async () => {
  api = await startTestApi()
  document = (await api.get('/openapi.json')).body as OpenApi
})
afterAll(() => api.close())

/** Whether a value satisfies one of the document's schemas, as a client's generator would read them. */
function errorsOf(schema: string, value: unknown): unknown {
  // `format` is an annotation in OpenAPI 3.1.
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, validateFormats: false })
  ajv.addVocabulary(['components', 'openapi', 'info', 'paths', 'tags', 'servers'])
  ajv.addSchema(document, 'openapi.json')
  const validate = ajv.compile({ $ref: `openapi.json#/components/schemas/${schema}` })
  return validate(value) ? undefined : validate.errors
}

test('the OpenAPI file is version 3.1, every route in it, every reference resolved', () => {
  expect(document.openapi).toBe('3.1.0')
  const paths = Object.keys(document.paths)
  expect(paths.filter((path) => !path.startsWith('/ops/'))).toEqual([
    '/orders/{id}/events',
    '/status/{token}',
    '/status/{token}/events',
    '/orders',
    '/orders/{id}',
    '/orders/{id}/cancellation',
    '/orders/{id}/receipt',
    '/messages',
    '/messages/{id}',
    '/reports',
    '/reports/{id}',
    '/reports/{id}/file',
    '/livez',
    '/readyz',
    '/metrics',
  ])
  expect(paths).toContain('/ops/dead-letters/{id}')
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
    ([, ref = '']) => ref,
  )
  expect(references.length).toBeGreaterThan(10)
  for (const reference of references) {
    const name = reference.replace('#/components/schemas/', '')
    expect(document.components.schemas).toHaveProperty(name)
  }
})

test('the page about the operators’ API lists every route of theirs, and no other', () => {
  const page = readFileSync(new URL('../../docs/operator-api.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\| `([A-Z]+ \/ops\/\S+)`/gm)].map(([, route]) => route)
  const routes = Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/ops/'))
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
  expect(new Set(listed)).toEqual(new Set(routes))
})

test('the OpenAPI file names the key, the headers and every answer of placing an order', () => {
  const post = document.paths['/orders']?.post
  expect(post?.security).toEqual([{ apiKey: [] }])
  expect(post?.parameters).toContainEqual(
    expect.objectContaining({ name: 'Idempotency-Key', in: 'header', required: true }),
  )
  expect(Object.keys(post?.responses ?? {})).toEqual(
    '202 400 401 402 403 408 409 413 415 422 429 500 503'.split(' '),
  )
})

test('the examples of the OpenAPI file are valid, and the first can be placed as it is', async () => {
  const { Order, PlacedOrder } = document.components.schemas as Record<
    string,
    { examples: unknown[] }
  >
  expect(errorsOf('Order', Order?.examples[0])).toBeUndefined()
  expect(errorsOf('PlacedOrder', PlacedOrder?.examples[0])).toBeUndefined()
  expect(Order?.examples[0]).toEqual(exampleOrder('WEB-10042'))
  expect((await api.post(Order?.examples[0])).status).toBe(202)
})

test('answers are what the OpenAPI file says they are', async () => {
  const placed = await api.post(newOrder())
  expect(errorsOf('PlacedOrder', placed.body)).toBeUndefined()
  const { id } = placed.body as { id: string }
  expect(errorsOf('OrderReport', (await api.get(`/orders/${id}`)).body)).toBeUndefined()
  const problems = [
    await api.post({}),
    await api.post('{'),
    await api.post(newOrder(), { key: 'wrong' }),
    await api.post(newOrder(), { idempotencyKey: '' }),
    await api.get('/nowhere'),
    await api.get('/orders'),
  ]
  for (const answer of problems) expect(errorsOf('Problem', answer.body)).toBeUndefined()
})

test('what operators are answered about dead letters is what the OpenAPI file says', async () => {
  await buryMany(api.pool, { count: 3, closedShare: 0.5 })
  const authorization = `Bearer ${await api.newKey({ scopes: ['ops:read'] })}`
  const get = async (path: string) => (await api.get(path, { authorization })).body
  const { letters } = (await get('/ops/dead-letters?state=all')) as { letters: { id: string }[] }
  expect(letters).toHaveLength(3)
  for (const letter of letters) {
    expect(errorsOf('DeadLetterSummary', letter)).toBeUndefined()
    expect(errorsOf('DeadLetter', await get(`/ops/dead-letters/${letter.id}`))).toBeUndefined()
  }
  const { groups } = (await get('/ops/dead-letters/groups')) as { groups: object[] }
  for (const group of groups) expect(errorsOf('DeadLetterGroup', group)).toBeUndefined()
})

test('what operators are answered about orders, targets and each other is what the OpenAPI file says', async () => {
  await api.post(newOrder())
  await declareTargets(api.db, [{ ...targetDefaults, name: 'erp', kind: 'http' }])
  const key = await api.newKey({ scopes: ['ops:read', 'ops:write'] })
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    return (await send(`${api.url}${path}`, { headers, ...init })).body as Record<string, object[]>
  }
  const paused = await ask('/ops/targets/erp/pause', { method: 'POST', body: '{"reason": "x"}' })
  expect(errorsOf('Pause', paused['paused'])).toBeUndefined()
  expect(errorsOf('Overview', await ask('/ops/overview'))).toBeUndefined()
  for (const [schema, path, list] of [
    ['OrderSummary', '/ops/orders', 'orders'],
    ['TargetReport', '/ops/targets', 'targets'],
    ['AuditRecord', '/ops/audit', 'records'],
  ] as const) {
    const { [list]: entries = [] } = await ask(path)
    expect(entries).not.toEqual([])
    for (const entry of entries) expect(errorsOf(schema, entry)).toBeUndefined()
  }
})

test('the reference page loads nothing from another host', async () => {
  const page = await api.get('/docs/')
  expect(page.status).toBe(200)
  expect(page.text).not.toMatch(/https?:\/\//)
  const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(
    ([, source = '']) => source,
  )
  expect(sources).toEqual(['js/scalar.js'])
  const script = await api.get('/docs/js/scalar.js')
  expect(script.headers.get('content-type')).toMatch('javascript')
  expect(script.text.length).toBeGreaterThan(1_000_000)
})

test('the reference page is allowed its own start script, and no other', async () => {
  const { headers, text } = await api.get('/docs/')
  const policy = headers.get('content-security-policy') ?? ''
  const [, script = ''] = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(text) ?? []
  expect(policy).toMatch(`script-src 'self' 'sha256-${hash('sha256', script, 'base64')}';`)
  expect(policy).toMatch("connect-src 'self'")
})
