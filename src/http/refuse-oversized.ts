import type { FastifyRequest } from 'fastify'

import { sayRule } from '#base/say-rule.ts'
import { Order } from '#messages/order.ts'

import { pointerStep } from './describe-invalid.ts'
import { HttpProblem } from './http-problem.ts'
import type { ProblemPart } from './problems.ts'

/**
 * Before the schema is checked, which reports every mistake: 256 KiB of empty items are 600 000 of them,
 * half a second and 300 MB. What has more entries than the schema allows is refused for that alone.
 */
export async function refuseOversizedOrder(request: FastifyRequest): Promise<void> {
  const errors: ProblemPart[] = []
  findOversized(limits, request.body, { pointer: '', errors })
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

type Limits = {
  most: number
  maxItems: number
  items: Limits | undefined
  /** Of those members only that may have members themselves: nearly all of an order's are plain values. */
  members: { key: string; step: string; limits: Limits }[]
}

/** A spelling mistake or a newer client's fields: more are not looked at one by one. */
const maxUnknownFields = 100

const limits = limitsOf(Order as object)

function limitsOf(schema: Sized): Limits {
  const { properties = {}, items, maxItems = Infinity } = schema
  return {
    most: mostProperties(schema),
    maxItems,
    items: items && limitsOf(items),
    members: Object.entries(properties)
      .filter(([, member]) => hasSize(member))
      .map(([key, member]) => ({ key, step: pointerStep(key), limits: limitsOf(member) })),
  }
}

function hasSize({ properties, items, maxProperties }: Sized): boolean {
  return properties !== undefined || items !== undefined || maxProperties !== undefined
}

function mostProperties({ properties, maxProperties, additionalProperties }: Sized): number {
  if (maxProperties !== undefined) return maxProperties
  if (additionalProperties !== false) return Infinity
  return Object.keys(properties ?? {}).length + maxUnknownFields
}

// Looks at what the schema names only, and not into what is too large: as deep as the schema, no wider.
function findOversized(
  { most, maxItems, items, members }: Limits,
  value: unknown,
  found: { pointer: string; errors: ProblemPart[] },
): void {
  const { pointer, errors } = found
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    if (value.length > maxItems)
      errors.push({
        pointer,
        detail: sayRule({ keyword: 'maxItems', params: { limit: maxItems } }),
      })
    else if (items)
      for (const [index, item] of value.entries())
        findOversized(items, item, { pointer: `${pointer}/${index}`, errors })
  } else if (Object.keys(value).length > most)
    errors.push({ pointer, detail: sayRule({ keyword: 'maxProperties', params: { limit: most } }) })
  else
    for (const { key, step, limits } of members)
      if (Object.hasOwn(value, key))
        findOversized(limits, Reflect.get(value, key), { pointer: pointer + step, errors })
}
