import { Writable } from 'node:stream'

import { expect, test } from 'vitest'

import { createLog } from '#base/log.ts'

test('of an error the log keeps what it is, not what it carries', () => {
  const cause = Object.assign(new TypeError('inner'), { detail: 'Failing row contains (ada@…)' })
  const error = Object.assign(new Error('outer', { cause }), {
    code: '23514',
    detail: 'Failing row contains (ada@…)',
    where: 'unnamed portal parameter $1 = …',
    order: { email: 'ada@…' },
  })
  expect(logged(error)).toEqual({
    type: 'Error',
    message: 'outer',
    stack: expect.stringContaining('log.test.ts'),
    code: '23514',
    cause: { type: 'TypeError', message: 'inner', stack: expect.any(String) },
  })
})

test('of an error that is its own cause the log keeps a few rounds', () => {
  const error = new Error('round')
  error.cause = error
  const lines = JSON.stringify(logged(error))
  expect(lines.match(/"message":"round"/g)).toHaveLength(4)
})

test('an error that pg-boss tells of as a plain object is logged with its message', () => {
  expect(logged({ message: 'no connection', detail: 'ada@…' })).toEqual({
    type: 'object',
    message: 'no connection',
  })
})

test('what is thrown without being an error is not spelled out', () => {
  expect(logged({ email: 'ada@…' })).toEqual({ type: 'object', message: '[object Object]' })
})

function logged(err: unknown): unknown {
  const lines: string[] = []
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.push(String(line))
      done()
    },
  })
  createLog('test', 'info', stream).error({ err }, 'it failed')
  return (JSON.parse(lines[0] ?? '') as { err: unknown }).err
}
