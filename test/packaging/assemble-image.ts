import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'

import { onTestFinished } from 'vitest'

import { copiedPaths } from './read-dockerfile.ts'
import { project, readProjectFile } from './read-project-file.ts'

/**
 * A folder with what the Dockerfile puts into /app: the files it copies, and of node_modules what the
 * lock file does not mark as development only. Removed after the test.
 */
export function assembleImage(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'orderwheel-image-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const path of copiedPaths()) {
    cpSync(join(project, path), join(folder, path), { recursive: true })
  }
  for (const path of productionPackages()) {
    const source = join(project, path)
    cpSync(source, join(folder, path), {
      recursive: true,
      // Packages within packages are listed, and copied, for themselves.
      filter: (from) => !from.slice(source.length).startsWith(`${sep}node_modules`),
    })
  }
  return folder
}

function productionPackages(): string[] {
  const { packages } = JSON.parse(readProjectFile('package-lock.json')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }>
  }
  return Object.entries(packages)
    .filter(([path, { dev, devOptional, optional }]) => {
      return path !== '' && !dev && !devOptional && !optional
    })
    .map(([path]) => path)
}
