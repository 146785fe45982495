import { suggestName } from '#base/suggest-name.ts'
import { reportsTargetName } from '#targets/reports-target.ts'
import type { Mistake, Place } from '#targets/target-kind.ts'
import { targetKinds } from '#targets/target-kinds.ts'
import type { ConfigurableKind } from '#targets/target.ts'

import { fillInEnvironment, type Environment } from './fill-in-environment.ts'
import { findSchemaMistakes } from './find-schema-mistakes.ts'
import { findWaitMistakes } from './find-wait-mistakes.ts'
import { isMissing } from './is-missing.ts'

/** Names a queue, a row and a command-line option. */
const namePattern = /^[a-z0-9][a-z0-9-]{0,39}$/

export type CheckedTarget = {
  name: string
  /** Undefined when it is no target at all, which is then one of the mistakes. */
  kind?: ConfigurableKind
  /** With the environment filled in. */
  options: unknown
  after: readonly string[]
  /** Their paths start at the configuration's top: `targets.erp.url`. */
  mistakes: Mistake[]
  /** Those of the mistakes that are variables which are not set. */
  missing: Mistake[]
}

/** One entry of `targets`. */
export function checkTarget(
  name: string,
  definition: unknown,
  environment: Environment,
  place: Place,
): CheckedTarget {
  const at = (path: string) => (path === '' ? `targets.${name}` : `targets.${name}.${path}`)
  const nameMistakes = findNameMistakes(name).map((message) => ({ path: at(''), message }))
  const kind = kindOf(definition)
  if (!kind) {
    const mistakes = [...nameMistakes, { path: at(''), message: sayNoKind(definition) }]
    return { name, options: {}, after: [], mistakes, missing: [] }
  }
  const { options, mistakes, missing } = checkOptions(kind, definition, environment, place)
  const placed = (found: Mistake[]) =>
    found.map(({ path, message }) => ({ path: at(path), message }))
  return {
    name,
    kind,
    options,
    after: readAfter(options),
    mistakes: [...nameMistakes, ...placed([...missing, ...mistakes])],
    missing: placed(missing),
  }
}

function checkOptions(
  kind: ConfigurableKind,
  definition: unknown,
  environment: Environment,
  place: Place,
): { options: unknown; mistakes: Mistake[]; missing: Mistake[] } {
  const written = (definition as { options?: unknown }).options ?? {}
  const { filled, missing } = fillInEnvironment(written, environment)
  const fromSchema = findSchemaMistakes(kind, targetKinds[kind].schema, filled)
  const readable = fromSchema.every(
    ({ path, unknownOption }) => unknownOption || isMissing(missing, path),
  )
  const found = readable
    ? [...targetKinds[kind].findMistakes(filled, place), ...findWaitMistakes(filled)]
    : []
  // What a missing variable would have given is reported once, as missing.
  const rest = [...fromSchema, ...found].filter(({ path }) => !isMissing(missing, path))
  return { options: filled, mistakes: rest, missing }
}

function kindOf(definition: unknown): ConfigurableKind | undefined {
  const kind = writtenKind(definition)
  return kind !== undefined && Object.hasOwn(targetKinds, kind)
    ? (kind as ConfigurableKind)
    : undefined
}

function writtenKind(definition: unknown): string | undefined {
  if (typeof definition !== 'object' || definition === null) return undefined
  return 'kind' in definition && typeof definition.kind === 'string' ? definition.kind : undefined
}

function findNameMistakes(name: string): string[] {
  if (name === reportsTargetName) return [nameTaken]
  return namePattern.test(name) ? [] : [sayName]
}

const nameTaken = 'is what makes reports and always there: give your target another name'
const sayName =
  'a target name has 1 to 40 small letters, digits and hyphens, and starts with a letter or digit'

function sayNoKind(definition: unknown): string {
  const kinds = Object.keys(targetKinds)
  const kind = writtenKind(definition)
  const calls = kinds.map((name) => `${name}()`).join(', ')
  if (kind === undefined) return `must be what one of ${calls} returns`
  return `there is no kind of target ${kind}${suggestName(kind, kinds)} There are ${calls}`
}

function readAfter(options: unknown): string[] {
  const after = (options as { after?: unknown }).after
  return Array.isArray(after) ? after.filter((name) => typeof name === 'string') : []
}
