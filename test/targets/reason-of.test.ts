import { readFile } from 'node:fs/promises'

import { errors } from 'undici'
import { expect, test } from 'vitest'

import { custom } from '#targets/custom.ts'
import { email } from '#targets/email/email.ts'
import { http } from '#targets/http/http.ts'
import { reasonOf } from '#targets/reason-of.ts'

import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { freePort, startReceiver } from './support/start-receiver.ts'

test('a target that cannot be reached is told by its code, which is kept, not by its address', async () => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const smtp = `smtp://127.0.0.1:${port}`
  const reasons = await Promise.all(
    [
      http({ url }),
      custom(async ({ http }) => void (await http({ url }))),
      custom(async () => void (await fetch(url))),
      email({ template: 'order-confirmation', from: 'Shop <orders@shop.example>', smtp }),
    ].map((definition) => createTarget('erp', definition).call(exampleCall())),
  )
  const answer = { code: 'ECONNREFUSED' }
  expect(reasons).toEqual([
    { kind: 'try-again', reason: 'not sent: connect ECONNREFUSED', answer },
    { kind: 'try-again', reason: 'not sent: connect ECONNREFUSED', answer },
    { kind: 'try-again', reason: 'connect ECONNREFUSED', answer },
    { kind: 'try-again', reason: 'not sent: connect ECONNREFUSED', answer },
  ])
})

test('a name that is not known inside is not named outside', async () => {
  const target = createTarget('erp', http({ url: 'http://erp.invalid' }))
  expect(await target.call(exampleCall())).toMatchObject({
    reason: expect.stringMatching(/^not sent: getaddrinfo (ENOTFOUND|EAI_AGAIN)$/) as string,
  })
})

test('an answer that is not JSON is not quoted', async () => {
  const page = await startReceiver((response) => response.end('<h1>secret of the ERP</h1>'))
  const target = createTarget(
    'loyalty',
    custom(async ({ http }) => {
      const { text } = await http({ url: page.url })
      JSON.parse(text)
    }),
  )
  expect(await target.call(exampleCall())).toEqual({
    kind: 'try-again',
    reason: 'what was read is not JSON, or not as it should be',
  })
})

test('a file that is missing is told without its path', async () => {
  const error: unknown = await readFile('/srv/shop/secret.pem').catch((thrown: unknown) => thrown)
  expect(reasonOf(error)).toBe('open ENOENT')
})

test.each([
  ['no answer from 10.1.2.3:443 yet', 'no answer from … yet'],
  ['no answer from [fd00::1]:443', 'no answer from …'],
  ['fd00::1, 10.0.0.1.', '…, …'],
  ['GET http://erp.internal:8069/jsonrpc failed', 'GET … failed'],
  ['no customer C-1 at 10:15:00 in version 1.2.3', 'no customer C-1 at 10:15:00 in version 1.2.3'],
])('of "%s" the reason keeps "%s"', (message, reason) => {
  expect(reasonOf(new Error(message))).toBe(reason)
})

test('what undici tried to connect to is not told', () => {
  const error = new errors.ConnectTimeoutError(
    'Connect Timeout Error (attempted addresses: 10.0.0.1:443, fd00::1:443, timeout: 100ms)',
  )
  expect(reasonOf(error)).toBe('Connect Timeout Error')
})

test.each([
  [Object.assign(new Error('x'), { message: { code: 7 } })],
  [Object.create(null) as unknown],
  [causedByItself()],
])('whatever is thrown has a reason', (thrown) => {
  expect(reasonOf(thrown)).toBe('what was thrown cannot be read')
})

function causedByItself(): Error {
  const error = new Error('fetch failed')
  error.cause = error
  return error
}
