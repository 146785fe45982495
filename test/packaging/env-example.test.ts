import { expect, test } from 'vitest'

import { environmentVariables } from '#base/environment.ts'
import { listEnvironment } from '#config/list-environment.ts'

import shop from '../../orderwheel.config.ts'
import { readProjectFile } from './read-project-file.ts'

const lines = readProjectFile('.env.example').split('\n')
const settings = lines.flatMap((line, at) => {
  const [, commentedOut, name = '', value = ''] = /^(#?)([A-Z][A-Z_]*)=(.*)$/.exec(line) ?? []
  return name === '' ? [] : [{ at, name, value, commentedOut: commentedOut === '#' }]
})

test('every variable Orderwheel or the demo store reads is in .env.example, once', () => {
  const names = settings.map(({ name }) => name)
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted())
  expect(names).toEqual(
    expect.arrayContaining([
      ...environmentVariables.map(({ name }) => name),
      ...listEnvironment(shop).map(({ variable }) => variable),
      ...[...readProjectFile('compose.yaml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name),
    ]),
  )
})

test('every variable has a comment, or is a part of the one above that has', () => {
  for (const { at, name } of settings) {
    const part = name.startsWith('POSTGRESQL_')
    expect([name, lines[at - 1]]).toEqual([name, expect.stringMatching(part ? /^#/ : /^# \w|^# "/)])
  }
})

test('a default that is shown is the default', () => {
  for (const variable of environmentVariables) {
    if (!('default' in variable)) continue
    const setting = settings.find(({ name }) => name === variable.name)
    expect([setting?.name, setting?.value]).toEqual([variable.name, variable.default])
    expect(setting?.commentedOut).toBe(true)
  }
})

test('no secret is given away, and a copy as it is changes nothing', () => {
  const set = settings.filter(({ commentedOut }) => !commentedOut)
  expect(set.map(({ name, value }) => [name, value])).toEqual([
    ['PARTNER_SECRET', ''],
    ['POSTGRES_PASSWORD', ''],
  ])
})
