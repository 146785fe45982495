import { expect, test } from 'vitest'

import { startOrderwheel } from '../support/start-process.ts'

test('the variables that simulate prints are all that the demo’s configuration needs', async () => {
  const printed = startOrderwheel(['simulate', '--variables'], {
    ORDERWHEEL_SIMULATOR_PORT: '4123',
  })
  expect(await printed.ended, printed.output()).toBe(0)
  const lines = [...printed.output().matchAll(/^export (\w+)='([^']*)'$/gm)]
  const variables = Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]))
  expect(variables.ERP_URL).toBe('http://127.0.0.1:4123/erp')

  const bare = startOrderwheel(['check'], {})
  expect(await bare.ended).toBe(1)
  const check = startOrderwheel(['check'], variables)
  expect(await check.ended, check.output()).toBe(0)
})
