import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { openApiDocument, problemCodesFile } from '../support/openapi-document.ts'

const written = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

// `npm run openapi` writes both.
test('docs/openapi.json is what this API answers', async () => {
  // Not toBe: a difference of thousands of lines takes minutes to be shown.
  expect((await written('docs/openapi.json')) === (await openApiDocument())).toBe(true)
})

test('the client knows every problem that this API answers', async () => {
  expect(await written('src/client/problem-codes.ts')).toBe(problemCodesFile())
})
