import { globSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)

test('every log line has a row in docs/logs.md that says what to do', () => {
  const documented = readFileSync(new URL('docs/logs.md', root), 'utf8')
  const lines = globSync('src/**/*.ts', { cwd: root.pathname }).flatMap((file) =>
    logLines(readFileSync(new URL(file, root), 'utf8')),
  )
  expect(lines.length).toBeGreaterThan(20)
  expect(lines.filter((line) => !documented.includes(`\`${line}\``))).toEqual([])
})

/** The last text in the arguments of each call to a log. */
function logLines(source: string): string[] {
  const calls = source.matchAll(/\b(?:log|logOf\([^)]*\))\.(?:debug|info|warn|error)\(/g)
  return [...calls].flatMap((call) => {
    const texts = [...argumentsAt(source, call.index + call[0].length).matchAll(/'([^']*)'/g)]
    return texts.at(-1)?.[1] ?? []
  })
}

function argumentsAt(source: string, start: number): string {
  let depth = 1
  let end = start
  while (depth > 0 && end < source.length) {
    if ('({['.includes(source[end] ?? '')) depth += 1
    if (')}]'.includes(source[end] ?? '')) depth -= 1
    end += 1
  }
  return source.slice(start, end - 1)
}
