import type { EnvironmentReference, Mistake } from '#targets/target-kind.ts'

import { isEnvironmentReference } from './env.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A copy of `value` with every environment reference replaced by its text, and the references without one. */
export function fillInEnvironment(
  value: unknown,
  environment: Environment,
): { filled: unknown; missing: Mistake[] } {
  const missing: Mistake[] = []
  const filled = replaceReferences(value, '', (reference, path) => {
    const { environmentVariable: variable, format } = reference
    const text = environment[variable] || reference.default
    if (text !== undefined) return format && text !== '' ? format(text) : text
    missing.push({ path, message: sayMissing(reference) })
    return ''
  })
  return { filled, missing }
}

/** Every environment reference in `value`, and where it is. */
export function findReferences(
  value: unknown,
): { path: string; reference: EnvironmentReference }[] {
  const found: { path: string; reference: EnvironmentReference }[] = []
  replaceReferences(value, '', (reference, path) => {
    found.push({ path, reference })
    return ''
  })
  return found
}

function replaceReferences(
  value: unknown,
  path: string,
  replace: (reference: EnvironmentReference, path: string) => string,
): unknown {
  if (isEnvironmentReference(value)) return replace(value, path)
  const replaceMember = (member: unknown, key: string | number) =>
    replaceReferences(member, path === '' ? `${key}` : `${path}.${key}`, replace)
  if (Array.isArray(value)) return value.map(replaceMember)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      // `process.env.ERP_URL` that is not set: left out.
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [key, replaceMember(member, key)]),
  )
}

/** Bytes, URLs and other instances stay what they are. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  )
}

function sayMissing({ environmentVariable, description }: EnvironmentReference): string {
  return `the environment variable ${environmentVariable} is not set${description ? ` (${description})` : ''}`
}
