import type { FastifyRequest } from 'fastify'

import { Order } from '#messages/order.ts'

import { pointerStep } from './describe-invalid.ts'
import { HttpProblem } from './http-problem.ts'
import type { ProblemPart } from './problems.ts'

/**
 * Before the schema is checked, which reports every mistake: 256 KiB of empty items are 600 000 of them,
 * half a second and 300 MB. What has more entries than the schema allows is refused for that alone.
 */
export async function refuseOversizedOrder(request: FastifyRequest): Promise<void> {
  const errors = oversizedParts(Order as object, request.body)
  if (errors.length > 0) throw new HttpProblem('invalid-order', { errors: errors.slice(0, 100) })
}

/** What a schema says of sizes. */
type Sized = {
  properties?: Record<string, Sized>
  items?: Sized
  maxItems?: number
  maxProperties?: number
  additionalProperties?: unknown
}

/** A spelling mistake or a newer client's fields: more are not looked at one by one. */
const maxUnknownFields = 100

// Looks at what the schema names only, and not into what is too large: as deep as the schema, no wider.
function oversizedParts(schema: Sized, value: unknown, pointer = ''): ProblemPart[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) {
    const { items, maxItems = Infinity } = schema
    if (value.length > maxItems) {
      return [{ pointer, detail: `must NOT have more than ${maxItems} items` }]
    }
    if (!items) return []
    return value.flatMap((item, index) => oversizedParts(items, item, `${pointer}/${index}`))
  }
  const most = mostProperties(schema)
  if (Object.keys(value).length > most) {
    return [{ pointer, detail: `must NOT have more than ${most} properties` }]
  }
  return Object.entries(schema.properties ?? {}).flatMap(([key, member]) =>
    Object.hasOwn(value, key)
      ? oversizedParts(member, Reflect.get(value, key), pointer + pointerStep(key))
      : [],
  )
}

function mostProperties({ properties, maxProperties, additionalProperties }: Sized): number {
  if (maxProperties !== undefined) return maxProperties
  if (additionalProperties !== false) return Infinity
  return Object.keys(properties ?? {}).length + maxUnknownFields
}
