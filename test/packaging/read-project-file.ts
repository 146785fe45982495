import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { parse } from 'yaml'

/** The checkout under test. */
export const project = join(import.meta.dirname, '..', '..')

export function readProjectFile(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

/** With anchors and merge keys resolved, as Compose and Upsun read it. */
export function readProjectYaml(path: string): unknown {
  return parse(readProjectFile(path), { merge: true, strict: true })
}
