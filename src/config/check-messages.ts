import { createOwnKind, isReserved, type OwnKinds } from '#messages/own-kinds.ts'
import type { Mistake } from '#targets/target-kind.ts'

/** An application's own kind of message, as the configuration file declares it. */
export type MessageDefinition = {
  /** JSON Schema (2020-12) of the payload, or a TypeBox type. */
  schema: object
}

/** The kinds of message that a configuration file declares, as written, and what is wrong with them. */
export function checkMessages(written: unknown): { kinds: OwnKinds; mistakes: Mistake[] } {
  if (written === undefined) return { kinds: new Map(), mistakes: [] }
  if (!isObject(written))
    return { kinds: new Map(), mistakes: [{ path: 'messages', message: sayMessages }] }
  const checked = Object.entries(written).map(([kind, definition]) => ({
    kind,
    ...checkOne(kind, definition),
  }))
  return {
    kinds: new Map(checked.flatMap(({ kind, own }) => (own ? [[kind, own]] : []))),
    mistakes: checked.flatMap(({ kind, mistake }) =>
      mistake === undefined ? [] : [{ path: `messages['${kind}']`, message: mistake }],
    ),
  }
}

const sayMessages =
  "must be an object of kinds like { 'stock.changed': { schema: { type: 'object' } } }"

const name = /^[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*$/

function checkOne(
  kind: string,
  definition: unknown,
): { own?: ReturnType<typeof createOwnKind>; mistake?: string } {
  if (isReserved(kind))
    return { mistake: 'kinds that begin with order. or report. are ours: choose another name' }
  if (!name.test(kind) || kind.length > 100)
    return { mistake: 'must be named like stock.changed: lower case, at most 100 characters' }
  if (!isObject(definition) || !isObject(definition['schema']))
    return { mistake: 'must be { schema: … }, a JSON Schema of the payload' }
  const unknown = Object.keys(definition).find((key) => key !== 'schema')
  if (unknown !== undefined) return { mistake: `${unknown} is not known here: there is schema` }
  const wrongType = findWrongType(definition['schema'])
  if (wrongType !== undefined)
    return { mistake: `schema: there is no type ${wrongType} in JSON Schema` }
  try {
    return { own: createOwnKind(definition['schema']) }
  } catch (error) {
    return { mistake: `schema cannot be compiled: ${String(error)}` }
  }
}

const types = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']
const schemasByName = ['properties', 'patternProperties', '$defs', 'definitions']
const values = ['const', 'default', 'enum', 'examples']

/** A type that is spelled wrong would admit everything. */
function findWrongType(schema: Record<string, unknown>): string | undefined {
  const { type } = schema
  const wrong = [type ?? []].flat().find((one) => typeof one !== 'string' || !types.includes(one))
  if (wrong !== undefined) return JSON.stringify(wrong)
  for (const [keyword, value] of Object.entries(schema)) {
    if (values.includes(keyword)) continue
    const inside = schemasByName.includes(keyword) && isObject(value) ? Object.values(value) : value
    for (const one of [inside].flat()) {
      const found = isObject(one) ? findWrongType(one) : undefined
      if (found !== undefined) return found
    }
  }
  return undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
