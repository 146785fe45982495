import { globSync } from 'node:fs'

import { expect, test } from 'vitest'

import { readProjectFile, project } from './read-project-file.ts'

const { dependencies, devDependencies } = JSON.parse(readProjectFile('package.json')) as Record<
  string,
  Record<string, string>
>
/** Only `orderwheel dev` gets there, and it runs with development dependencies. */
const onlyInDevelopment = /^src\/embedded-postgres\//

test('what runs in production imports nothing that is installed for development only', () => {
  const files = globSync('src/**/*.ts', { cwd: project }).filter(
    (path) => !onlyInDevelopment.test(path),
  )
  expect(files.length).toBeGreaterThan(50)
  const wrong = files.flatMap((path) =>
    importedPackages(readProjectFile(path))
      .filter((name) => !(name in (dependencies ?? {})))
      .map((name) => `${path}: ${name}${name in (devDependencies ?? {}) ? '' : ' (undeclared)'}`),
  )
  expect(wrong).toEqual([])
})

/** Static imports, types excepted: they are erased. A dynamic import states its own condition. */
function importedPackages(source: string): string[] {
  return [...source.matchAll(/^(?:import|export) (?!type )(?:[\w*{},\s]*\sfrom )?'([^']+)'/gm)]
    .map(([, specifier = '']) => specifier)
    .filter((specifier) => !/^(#|\.|node:)/.test(specifier))
    .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'))
}
