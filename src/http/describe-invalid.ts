import { closest, distance } from 'fastest-levenshtein'
import type { FastifyRequest } from 'fastify'

import { dropImplied } from '#base/drop-implied.ts'
import { sayRule } from '#base/say-rule.ts'

import { HttpProblem } from './http-problem.ts'
import { patternWords } from './pattern-words.ts'
import type { ProblemPart } from './problems.ts'

/** What Fastify throws when a body or query does not satisfy its schema. */
export type Invalid = Error & { validation: readonly SchemaError[]; validationContext: string }

type SchemaError = {
  instancePath: string
  schemaPath: string
  keyword: string
  params: Record<string, unknown>
  /** Set when the mistake is a key, not its value. */
  propertyName?: string
  message?: string
  parentSchema?: { properties?: Record<string, unknown>; description?: string }
}

/** More would help nobody, and the answer must stay smaller than what asked for it. */
const maxErrors = 100

export function isInvalid(error: unknown): error is Invalid {
  return error instanceof Error && 'validation' in error && Array.isArray(error.validation)
}

/** 422 with one entry for each wrong or unknown field. */
export function describeInvalid(error: Invalid, request: FastifyRequest): HttpProblem {
  const { body, routeOptions } = request
  const { notFound = 'order-not-found', invalidBody = 'invalid-order' } = routeOptions.config
  // The only parameters with a rule are ids.
  if (error.validationContext === 'params') return new HttpProblem(notFound)
  const inQuery = error.validationContext === 'querystring'
  // A wrong key is reported twice: what is wrong with it, and that it is.
  const mistakes = dropImplied(
    error.validation.filter(({ keyword }) => keyword !== 'propertyNames'),
  )
  const errors = mistakes.slice(0, maxErrors).map((one): ProblemPart => {
    const pointer = pointerOf(one)
    const detail = detailOf(one)
    return inQuery ? { parameter: pointer.slice(1), detail } : { pointer, detail }
  })
  if (!inQuery && body === undefined) return new HttpProblem('invalid-json', emptyBody)
  return new HttpProblem(inQuery ? 'invalid-query' : invalidBody, {
    ...(mistakes.length > maxErrors && {
      detail: `The first ${maxErrors} of ${mistakes.length} errors.`,
    }),
    errors,
  })
}

export const emptyBody = { detail: 'The body is empty.' }

/** A key as one step of a JSON pointer. */
export function pointerStep(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function pointerOf({ instancePath, keyword, params, propertyName }: SchemaError): string {
  if (propertyName !== undefined) return instancePath + pointerStep(propertyName)
  if (keyword === 'required') return instancePath + pointerStep(String(params.missingProperty))
  if (keyword === 'additionalProperties') {
    return instancePath + pointerStep(String(params.additionalProperty))
  }
  return instancePath
}

function detailOf(error: SchemaError): string {
  const { keyword, params, propertyName, parentSchema } = error
  const rule = sayRule(error, {
    description: parentSchema?.description,
    pattern: patternWords.get(String(params.pattern)),
  })
  if (propertyName !== undefined) return `the key ${rule}`
  return keyword === 'additionalProperties'
    ? rule + suggestion(String(params.additionalProperty), parentSchema)
    : rule
}

function suggestion(name: string, schema: SchemaError['parentSchema']): string {
  return suggestOneOf(name, Object.keys(schema?.properties ?? {}))
}

/** `; did you mean stock.changed?`, when something is near. */
export function suggestOneOf(name: string, known: readonly string[]): string {
  if (known.length === 0 || name.length > 64) return ''
  const nearest = closest(name, [...known])
  return distance(name, nearest) <= 2 ? `; did you mean ${nearest}?` : ''
}
