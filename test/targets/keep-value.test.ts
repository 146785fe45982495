import { expect, test } from 'vitest'

import { answersOf } from '#targets/earlier-answers.ts'
import { http } from '#targets/http/http.ts'
import { keepValue } from '#targets/keep-value.ts'
import { textAt } from '#targets/text-at.ts'

import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { startReceiver } from './support/start-receiver.ts'

test('what is kept of an answer is JSON that PostgreSQL can store', () => {
  expect(keepValue({ number: 7, at: new Date(0) })).toEqual({
    number: 7,
    at: '1970-01-01T00:00:00.000Z',
  })
  expect(keepValue({ 'a\u0000': ['\ud800x'] })).toEqual({ 'a\ufffd': ['\ufffdx'] })
  expect(keepValue('x'.repeat(16_382))).toHaveLength(16_382)
})

test('what cannot be kept says why', () => {
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const deep = JSON.parse(`${'['.repeat(65)}${']'.repeat(65)}`) as unknown
  for (const [value, why] of [
    [undefined, 'is no JSON'],
    [() => 1, 'is no JSON'],
    [circle, 'is no JSON'],
    [1n, 'is no JSON'],
    [deep, 'is deeper than 64 levels'],
    ['€'.repeat(6_000), 'is 18002 bytes, more than 16384'],
  ]) {
    expect(keepValue(value)).toEqual(new Error(String(why)))
  }
})

test('of an answer that was told, keep picks; what it cannot pick costs nobody the delivery', async () => {
  const erp = await startReceiver((response) => response.end('{"order":{"number":7,"secret":"x"}}'))
  const tell = async (keep: (answer: { json(): unknown }) => unknown) =>
    createTarget('erp', http({ url: erp.url, keep })).call(exampleCall())

  expect(
    await tell((answer) => ({ number: textAt(answer.json(), '/order/number') })),
  ).toMatchObject({
    kind: 'delivered',
    answer: { status: 200, value: { number: '7' } },
  })
  const broken = await tell(() => {
    throw new Error('no such field')
  })
  expect(broken).toMatchObject({
    kind: 'delivered',
    reason: 'targets.erp.keep threw: no such field',
    answer: { status: 200 },
  })
  expect(broken).not.toHaveProperty('answer.value')
  expect(await tell(() => 'x'.repeat(20_000))).toMatchObject({
    kind: 'delivered',
    reason: 'targets.erp.keep is 20002 bytes, more than 16384',
  })
})

test('without keep, the value is the answer when that is JSON', () => {
  const answers = answersOf({
    erp: { status: 200, text: '{"number":7}' },
    crm: { status: 200, text: 'OK' },
    shipping: { status: 200, text: '{"a":1}', value: { label: 'L-1' } },
  })
  expect(answers.erp?.value).toEqual({ number: 7 })
  expect(answers.crm).toMatchObject({ text: 'OK', value: undefined })
  expect(answers.shipping?.value).toEqual({ label: 'L-1' })
  expect(answers['constructor']).toBeUndefined()
})

test('textAt reads texts and numbers at a JSON Pointer, and nothing else', () => {
  const value = { order: { 'a/b~c': 'x', lines: [{ n: 2 }] }, ok: true, none: null }
  expect(textAt(value, '/order/a~1b~0c')).toBe('x')
  expect(textAt(value, '/order/lines/0/n')).toBe('2')
  expect(textAt('7', '')).toBe('7')
  for (const pointer of [
    '/order',
    '/ok',
    '/none',
    '/nothing/at/all',
    '/order/toString',
    '/constructor/name',
  ])
    expect(textAt(value, pointer), pointer).toBeUndefined()
})
