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

test('every file and heading the documentation links to exists', () => {
  const wrong = inDocuments(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g).filter(
    ({ document, found: [, file = '', heading = ''] }) => {
      const here = new URL(document, root)
      const page = file === '' ? here : new URL(file, here)
      return !existsSync(page) || (heading !== '' && !headingsOf(page).includes(heading))
    },
  )
  expect(wrong.map(sayFound)).toEqual([])
})

test('every npm script the documentation names exists', () => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
  const wrong = inDocuments(/npm run ([a-z:-]+)/g).filter(
    ({ found: [, name = ''] }) => !(name in scripts),
  )
  expect(wrong.map(sayFound)).toEqual([])
})

test('every command of the README has a help, and every command is in the README', async () => {
  const help = startOrderwheel(['--help'], {})
  expect(await help.ended).toBe(0)
  const commands = [...help.output().matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = '']) => name)
  expect(shownCommands().toSorted()).toEqual(commands.toSorted())
  // Not `grant … on schema orderwheel to`.
  const unknown = inDocuments(/(?<!schema )orderwheel ([a-z][a-z-]+)/g).filter(
    ({ found: [, name = ''] }) => !commands.includes(name),
  )
  expect(unknown.map(sayFound)).toEqual([])
  const helps = commands.map((command) => startOrderwheel([command, '--help'], {}))
  for (const [index, one] of helps.entries()) {
    expect(await one.ended, one.output()).toBe(0)
    expect(one.output()).toContain(`Usage: orderwheel ${commands[index]}`)
  }
})

test('every route the documentation names exists', () => {
  const { paths } = JSON.parse(text('docs/openapi.json')) as { paths: Record<string, object> }
  const routes = Object.entries(paths).flatMap(([path, methods]) => {
    const pattern = path.replaceAll(/\{\w+\}/g, '[^/]+')
    return Object.keys(methods).map((method) => new RegExp(`^${method}\\s${pattern}$`, 'i'))
  })
  // The reference itself, and the simulator's.
  const others = /^GET \/docs$|^(GET|PUT) \/payment\//
  const unknown = inDocuments(/\b(GET|POST|PUT|PATCH|DELETE)\s\/[a-z][\w/{}-]*/g).filter(
    ({ found: [route] }) => !others.test(route) && !routes.some((one) => one.test(route)),
  )
  expect(unknown.map(sayFound)).toEqual([])
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

/** Each place of the documentation that matches. There are some, or what is looked for is written otherwise by now. */
function inDocuments(pattern: RegExp): { document: string; found: RegExpExecArray }[] {
  const places = documents.flatMap((document) =>
    [...text(document).matchAll(pattern)].map((found) => ({ document, found })),
  )
  expect(places.length).toBeGreaterThan(5)
  return places
}

function sayFound({
  document,
  found: [said],
}: {
  document: string
  found: RegExpExecArray
}): string {
  return `${document}: ${said}`
}

/** As GitHub makes links of them. */
function headingsOf(page: URL): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** Of the README's table of commands, and of its list of processes, which says what dev is. */
function shownCommands(): string[] {
  const [, table = ''] = /\n## Running it\n(.*?)\n\n[^|\n]/s.exec(text('README.md')) ?? []
  const cells = [...table.matchAll(/^\| (`.*?) +\|/gm)].map(([, cell = '']) => cell)
  const shown = cells.flatMap((cell) =>
    cell
      // What follows a colon are a command's own commands.
      .replaceAll(/:[^;]*/g, '')
      .split('`')
      .filter((_, n) => n % 2 === 1)
      .map((code) => code.replace('npx orderwheel ', '').split(' ')[0] ?? ''),
  )
  const processes = [...text('README.md').matchAll(/\*\*(dev)\*\*/g)].map(([, name = '']) => name)
  return [...new Set([...shown, ...processes])]
}
