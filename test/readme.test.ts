import { existsSync, globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { environmentVariables } from '#base/environment.ts'

import { startOrderwheel } from './support/start-process.ts'

const root = new URL('../', import.meta.url)
const text = (file: string) => readFileSync(new URL(file, root), 'utf8')
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('docs/**/*.md', { cwd: fileURLToPath(root) }),
]

test('every file the documentation links to exists', () => {
  for (const document of documents) {
    const folder = new URL(document, root)
    const links = [...text(document).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
      ([, link = '']) => link,
    )
    expect(links.filter((link) => !existsSync(new URL(link, folder)))).toEqual([])
  }
})

test('every npm script the documentation names exists', () => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
  for (const document of documents) {
    const named = [...text(document).matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  }
})

test('every command of the README has a help, and every command is in the README', async () => {
  const help = startOrderwheel(['--help'], {})
  expect(await help.ended).toBe(0)
  const commands = [...help.output().matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = '']) => name)
  const named = [...text('README.md').matchAll(/npx orderwheel ([a-z-]+)/g)].map(([, n = '']) => n)
  expect(named.filter((name) => !commands.includes(name))).toEqual([])
  const missing = commands.filter((name) => !new RegExp(`\\b${name}\\b`).test(text('README.md')))
  expect(missing).toEqual([])
  const helps = commands.map((command) => startOrderwheel([command, '--help'], {}))
  for (const [index, one] of helps.entries()) {
    expect(await one.ended, one.output()).toBe(0)
    expect(one.output()).toContain(`Usage: orderwheel ${commands[index]}`)
  }
})

test('the README’s table of variables is the one the code reads', () => {
  const rows = environmentVariables.map((variable) => [
    `\`${variable.name}\``,
    variable.description,
    'default' in variable ? `\`${variable.default}\`` : '',
  ])
  const [, table = ''] =
    /<!-- environment -->\n([\s\S]*)<!-- \/environment -->/.exec(text('README.md')) ?? []
  const written = table
    .trim()
    .split('\n')
    .map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  expect(written[0]).toEqual(['variable', 'meaning', 'default'])
  expect(written.slice(2)).toEqual(rows)
})
