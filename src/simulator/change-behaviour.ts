import type { TObject } from 'typebox'
import { Value } from 'typebox/value'

import { Refusal } from './refusal.ts'

/**
 * The behaviour with the given fields replaced; the others stay.
 * Throws a `Refusal` with a sentence for every field that is unknown or wrong.
 */
export function changeBehaviour<Behaviour extends object>(
  schema: TObject,
  behaviour: Behaviour,
  change: unknown,
): Behaviour {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) {
    throw new Refusal(422, `Send a JSON object with any of ${fieldNames(schema)}.`)
  }
  const mistakes = Object.entries(change).flatMap(([field, value]) =>
    mistakeIn(schema, field, value),
  )
  if (mistakes.length > 0) throw new Refusal(422, mistakes.join(' '))
  return { ...behaviour, ...change }
}

function mistakeIn(schema: TObject, field: string, value: unknown): string[] {
  const fieldSchema = Object.hasOwn(schema.properties, field) ? schema.properties[field] : undefined
  if (!fieldSchema) {
    return [`There is no ${JSON.stringify(field)}: it takes ${fieldNames(schema)}.`]
  }
  if (Value.Check(fieldSchema, value)) return []
  const wanted = 'description' in fieldSchema ? String(fieldSchema.description) : 'something else'
  return [`${field} must be ${wanted}, not ${JSON.stringify(value).slice(0, 100)}.`]
}

function fieldNames(schema: TObject): string {
  return Object.keys(schema.properties).join(', ')
}
