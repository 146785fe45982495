import { Compile, type XSchema } from 'typebox/schema'

import { dropImplied } from '#base/drop-implied.ts'
import { sayRule } from '#base/say-rule.ts'
import { upToErrors } from '#base/up-to-errors.ts'

/** A kind of message that the configuration declares. */
export type OwnKind = {
  /** What is wrong with a payload of this kind; pointers (RFC 6901) into the payload. At most 100. */
  findMistakes(payload: unknown): PayloadMistake[]
}

export type PayloadMistake = { pointer: string; detail: string }

/** By name. */
export type OwnKinds = ReadonlyMap<string, OwnKind>

/** Of a payload as JSON: what a request may hold in all. */
export const maxPayloadBytes = 262_144

const mostMistakes = 100

/** Whether a kind is one of ours, now or in a later version. */
export function isReserved(kind: string): boolean {
  return ['order', 'report'].includes(kind) || /^(order|report)\./.test(kind)
}

/** Makes a declared kind of its JSON Schema (2020-12). Throws for a schema that cannot be compiled. */
export function createOwnKind(schema: object): OwnKind {
  const validator = Compile(schema as XSchema)
  return {
    findMistakes(payload) {
      // What walks it, PostgreSQL included, calls itself for each level.
      if (isDeeperThan(mostLevels, payload)) return [tooDeep]
      if (validator.Check(payload)) return []
      // One value may break several rules, of which not all are told.
      const [, errors] = upToErrors(4 * mostMistakes, () => validator.Errors(payload))
      const mistakes = dropImplied(errors).flatMap(explain)
      return (mistakes.length > 0 ? mistakes : [unexplained]).slice(0, mostMistakes)
    },
  }
}

const mostLevels = 64

const tooDeep: PayloadMistake = {
  pointer: '',
  detail: `is nested deeper than ${mostLevels} levels`,
}

function isDeeperThan(levels: number, payload: unknown): boolean {
  let level = [payload]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    )
  }
  return false
}

type SchemaError = ReturnType<ReturnType<typeof Compile>['Errors']>[1][number]

const unexplained: PayloadMistake = { pointer: '', detail: 'breaks the schema of its kind' }

function explain(error: SchemaError): PayloadMistake[] {
  const { instancePath, keyword } = error
  if (error.keyword === 'required')
    return error.params.requiredProperties.map((name) => ({
      pointer: instancePath + stepOf(name),
      detail: 'is required',
    }))
  if (error.keyword === 'additionalProperties')
    return error.params.additionalProperties.map((name) => ({
      pointer: instancePath + stepOf(name),
      detail: 'is not a known field',
    }))
  // The false schema of an unknown field, said above.
  return keyword === 'boolean' ? [] : [{ pointer: instancePath, detail: sayRule(error) }]
}

/** A key as one step of a JSON pointer. */
function stepOf(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
