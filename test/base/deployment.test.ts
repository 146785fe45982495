import { expect, test } from 'vitest'

import { readDeployment } from '#base/deployment.ts'

function read(variables: Record<string, string>) {
  const mistakes: string[] = []
  return { ...readDeployment(variables, mistakes), mistakes }
}

test('an environment without a name owns the database that nobody owns', () => {
  const nothingSet = { environment: null, deliver: 'if-owner', mayClaim: true, mistakes: [] }
  expect(read({})).toEqual(nothingSet)
  expect(read({ ORDERWHEEL_ENVIRONMENT: '', ORDERWHEEL_DELIVER: '' })).toEqual(nothingSet)
  expect(read({ ORDERWHEEL_ENVIRONMENT: 'staging' })).toMatchObject({ environment: 'staging' })
})

test('a branch of Upsun is named by the platform, and takes no database by itself', () => {
  const main = { PLATFORM_PROJECT: 'abc', PLATFORM_ENVIRONMENT: 'main' }
  // As its parent's variables are: a branch inherits them.
  const branch = { ...main, PLATFORM_ENVIRONMENT: 'fix-7', ORDERWHEEL_ENVIRONMENT: 'production' }

  const production = read({ ...main, PLATFORM_ENVIRONMENT_TYPE: 'production' })
  expect(production).toMatchObject({ environment: 'abc:main', mayClaim: true })
  for (const PLATFORM_ENVIRONMENT_TYPE of ['development', 'staging', ''])
    expect(read({ ...branch, PLATFORM_ENVIRONMENT_TYPE })).toMatchObject({
      environment: 'abc:fix-7',
      deliver: 'if-owner',
      mayClaim: false,
    })
  expect(read({ ...branch, ORDERWHEEL_DELIVER: 'yes' })).toMatchObject({ deliver: 'yes' })
})

test('a name or permission that cannot be meant is refused', () => {
  expect(read({ ORDERWHEEL_ENVIRONMENT: 'two words' }).mistakes).toEqual([
    expect.stringContaining('ORDERWHEEL_ENVIRONMENT'),
  ])
  const maybe = read({ ORDERWHEEL_DELIVER: 'maybe' })
  expect(maybe.mistakes).toEqual([expect.stringContaining('ORDERWHEEL_DELIVER is "maybe"')])
  expect(maybe.deliver).toBe('no')
})
