import { expect, test } from 'vitest'

import { maskExchange, maskValues } from '#cli/targets/mask-secrets.ts'

const secret = 'p/w+ü "x"&<\\\n=~4'
const mask = maskValues({ SMS_PASSWORD: secret, SMS_USER: 'shop-name', SHORT_TOKEN: 'abc' })

const xml = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const spelled: Record<string, string> = {
  'as it is': secret,
  'in a form': new URLSearchParams({ secret }).toString().slice('secret='.length),
  'in a URL': encodeURIComponent(secret),
  'in a URL, with small letters': encodeURIComponent(secret).toLowerCase(),
  'in JSON': JSON.stringify(secret).slice(1, -1),
  'in JSON in JSON': JSON.stringify(JSON.stringify(secret)).slice(3, -3),
  'in JSON of PHP': JSON.stringify(secret)
    .slice(1, -1)
    .replaceAll('/', '\\/')
    .replace('ü', '\\u00FC'),
  'in XML': xml,
}

test.for(Object.entries(spelled))('a secret is not shown %s', ([, text]) => {
  expect(mask(`before=${text}&after`)).toBe('before=***&after')
})

test('a secret is not shown in base64, whatever stands before it', () => {
  for (const user of ['', 'u', 'us', 'use', 'shop:'])
    for (const encoding of ['base64', 'base64url'] as const) {
      const text = Buffer.from(`${user}${secret}:end`).toString(encoding)
      const shown = Buffer.from(mask(text).replace('***', ''), encoding).toString()
      expect(mask(text)).toContain('***')
      for (const part of ['p/w', '"x"', '=~4']) expect(shown).not.toContain(part)
    }
})

test('what is no secret is shown', () => {
  expect(mask('shop-name abc p w x')).toBe('shop-name abc p w x')
  expect(maskValues({})('anything')).toBe('anything')
})

test('a login in a header of any name is not shown', () => {
  const headers: [string, string][] = [
    ['x-forward', `Basic ${Buffer.from('u:not-in-any-variable').toString('base64')}`],
    ['x-shop', 'demo'],
  ]
  const exchange = { method: 'POST', url: 'http://sms.example/', headers, body: '' }
  expect(maskExchange(exchange, {}).headers).toEqual([
    ['x-forward', '***'],
    ['x-shop', 'demo'],
  ])
})
