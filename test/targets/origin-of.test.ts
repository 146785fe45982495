import { expect, test } from 'vitest'

import { originOf } from '#targets/http/origin-of.ts'

test('where a target is told is said without login, path and query, which may be secrets', () => {
  expect(originOf('https://shop:s3cret@hooks.example:8443/services/T0K3N?key=abc')).toBe(
    'https://hooks.example:8443',
  )
})
