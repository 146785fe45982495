import { expect, test } from 'vitest'

import { copiedPaths, readDockerfile } from './read-dockerfile.ts'
import { readProjectFile } from './read-project-file.ts'

const stages = readDockerfile()
const image = stages.at(-1) ?? []

test('the image is built in two stages on Node 24, and only the first one installs', () => {
  expect(stages).toHaveLength(2)
  for (const [from] of stages) expect(from?.value).toMatch(/^node:24-slim\b/)
  expect(image.filter(({ name }) => name === 'RUN')).toEqual([])
  expect(image[0]?.value).toBe('node:24-slim')
})

test('dependencies come from the lock file, without those of development', () => {
  const runs = (stages[0] ?? []).filter(({ name }) => name === 'RUN').map(({ value }) => value)
  expect(runs).toEqual([expect.stringMatching(/^npm ci --omit=dev\b/)])
})

test('the process in the image is not root and cannot change its own code', () => {
  expect(valuesOf('USER')).toEqual(['node'])
  expect(valuesOf('COPY').filter((value) => value.includes('--chown'))).toEqual([])
})

test('one image is every process: the command names it, and the api is the default', () => {
  expect(valuesOf('ENTRYPOINT')).toEqual(['["node", "bin/orderwheel.js"]'])
  expect(valuesOf('CMD')).toEqual(['["api"]'])
})

test('the image runs in production, reachable from outside, and ends on SIGTERM', () => {
  expect(valuesOf('ENV')).toEqual(['NODE_ENV=production HOST=0.0.0.0 PORT=8080'])
  expect(valuesOf('STOPSIGNAL')).toEqual(['SIGTERM'])
})

test('the health check asks the api whether it is ready', () => {
  const [check = ''] = valuesOf('HEALTHCHECK')
  const command: unknown = JSON.parse(check.slice(check.indexOf('[')))
  expect(command).toEqual(['node', '-e', expect.stringContaining('/readyz')])
})

test('nothing reaches the image by accident: what is not copied by name is ignored', () => {
  const rules = readProjectFile('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(rules[0]).toBe('*')
  const sources = [...copiedPaths(), 'package-lock.json'].map((path) => path.replace(/^\.\//, ''))
  expect(rules.slice(1).toSorted()).toEqual(sources.map((path) => `!${path}`).toSorted())
})

function valuesOf(instruction: string): string[] {
  return image.filter(({ name }) => name === instruction).map(({ value }) => value)
}
