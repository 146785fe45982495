import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

import { startOrderwheel } from '../support/start-process.ts'

test('the variables that simulate prints are all that the demo’s configuration needs', async () => {
  const printed = startOrderwheel(['simulate', '--variables'], {
    ORDERWHEEL_SIMULATOR_PORT: '4123',
    ORDERWHEEL_SMTP_PORT: '4125',
  })
  expect(await printed.ended, printed.output()).toBe(0)
  const lines = [...printed.output().matchAll(/^export (\w+)='([^']*)'$/gm)]
  const variables = Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]))
  expect(variables.ERP_URL).toBe('http://127.0.0.1:4123/erp')

  expect(variables.SMTP_URL).toBe('smtp://127.0.0.1:4125')

  const bare = startOrderwheel(['check'], {})
  expect(await bare.ended).toBe(1)
  const check = startOrderwheel(['check'], variables)
  expect(await check.ended, check.output()).toBe(0)
})

test.each([
  ['0.0.0.0', '127.0.0.1'],
  ['192.168.7.7', '192.168.7.7'],
])('of a simulator that listens on %s, the variables lead to %s', async (host, reached) => {
  const printed = startOrderwheel(['simulate', '--variables'], { HOST: host })
  expect(await printed.ended).toBe(0)
  const shell = `eval "$PRINTED"; echo "$ERP_URL $SMTP_URL $PARTNER_ALLOW_PRIVATE"; echo "$EMAIL_FROM"`
  const { stdout } = await promisify(execFile)('sh', ['-ec', shell], {
    env: { PRINTED: printed.output() },
  })
  expect(stdout).toBe(
    `http://${reached}:3900/erp smtp://${reached}:2525 ${reached}\nDemo Shop <orders@shop.example>\n`,
  )
})
