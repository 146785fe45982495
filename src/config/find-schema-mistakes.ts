import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'

import { dropImplied } from '#base/drop-implied.ts'
import { sayRule } from '#base/say-rule.ts'
import { suggestName } from '#base/suggest-name.ts'
import { upToErrors } from '#base/up-to-errors.ts'
import type { Mistake } from '#targets/target-kind.ts'

import { settleChoices, type SchemaError } from './settle-choices.ts'

/** What `schema` finds wrong with the options given to `kind()`, in words. */
export function findSchemaMistakes(
  kind: string,
  schema: TSchema,
  options: unknown,
): SchemaMistake[] {
  return listErrors(schema, options).flatMap((error) => explain(kind, schema, error))
}

/** `unknownOption`: nothing reads it, so other checks need not wait for it to be mended. */
export type SchemaMistake = Mistake & { unknownOption: boolean }

function listErrors(schema: TSchema, value: unknown): SchemaError[] {
  // The rest would come one start later.
  const errors = upToErrors(1_000, () => Value.Errors(schema, value))
  return dropImplied(settleChoices(errors))
}

function explain(kind: string, schema: TSchema, error: SchemaError): SchemaMistake[] {
  const path = error.instancePath.slice(1).replaceAll('/', '.')
  const inside = (member: string) => (path === '' ? member : `${path}.${member}`)
  const part = partOf(schema, error.instancePath)
  if (error.keyword === 'additionalProperties') {
    return error.params.additionalProperties.map((name) => ({
      path: inside(name),
      message: `is not an option of ${kind}()${suggestName(name, Object.keys(membersOf(part)))}`,
      unknownOption: true,
    }))
  }
  if (error.keyword === 'required') {
    return error.params.requiredProperties.map((name) => ({
      path: inside(name),
      message: 'is missing',
      unknownOption: false,
    }))
  }
  // `boolean` is the false schema of an unknown option, said above.
  return error.keyword === 'boolean'
    ? []
    : [{ path, message: sayError(error, part), unknownOption: false }]
}

function sayError(error: SchemaError, part: Part): string {
  if (error.keyword === 'anyOf') return `must be ${choicesOf(part).join(' or ')}`
  if (error.keyword === 'type') return `must be ${nameType(error.params.type)}`
  return sayRule(error)
}

type Part = { properties?: Record<string, Part>; anyOf?: Part[]; type?: string; const?: unknown }

function partOf(schema: TSchema, instancePath: string): Part {
  let part: Part = schema
  for (const name of instancePath.split('/').slice(1)) part = membersOf(part)[name] ?? {}
  return part
}

/** Of an object, or of the object that is one of several choices. */
function membersOf({ properties, anyOf }: Part): Record<string, Part> {
  return properties ?? anyOf?.find((choice) => choice.properties)?.properties ?? {}
}

function choicesOf(part: Part): string[] {
  const choices = part.anyOf ?? [{ type: 'string' }, { type: 'function' }]
  return choices.map((choice) =>
    'const' in choice ? JSON.stringify(choice.const) : nameType(choice.type ?? 'something else'),
  )
}

function nameType(type: string | string[]): string {
  if (Array.isArray(type)) return type.map(nameType).join(' or ')
  const names: Record<string, string> = {
    integer: 'a whole number',
    number: 'a number',
    string: 'text',
    boolean: 'true or false',
    function: 'a function',
    array: 'a list',
    object: 'an object',
  }
  return names[type] ?? type
}
