import { Type } from 'typebox'

/** What they mean is in pattern-words.ts. */
export const patterns = {
  uuid: '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$',
  words: '^[^\\u0000]*$',
  // A leap second is a date-time of RFC 3339, and none that JavaScript can read.
  moment: ':[0-5]\\d:[0-5]\\d',
  limit: '^([1-9]\\d?|[1-4]\\d\\d|500)$',
  position: '^[0-9]{1,7}$',
} as const

export const uuid = Type.String({ format: 'uuid', pattern: patterns.uuid })

/** A time in an answer. */
export const time = Type.String({ format: 'date-time' })
export const nullableText = orNull('string')
export const nullableTime = orNull({ type: 'string', format: 'date-time' })

export function orNull(schema: string | { type: string; format?: string; description?: string }) {
  const one = typeof schema === 'string' ? { type: schema } : schema
  return Type.Unsafe<unknown>({ ...one, type: [one.type, 'null'] })
}

/** Text of a query or body. A query may hold a NUL, which PostgreSQL stores in no text. */
export const words = (maxLength: number) =>
  Type.String({ minLength: 1, maxLength, pattern: patterns.words })

export const moment = Type.String({ format: 'date-time', pattern: patterns.moment })

export const limit = Type.Optional(
  Type.String({ pattern: patterns.limit, description: '1 … 500. Default 50.' }),
)

/** Queries are text: the schema says that it is a number. */
export function limitOf(text: string | undefined): number {
  return text === undefined ? 50 : Number(text)
}

/** The same with `since` and `until`, each a `moment`, as times. */
export function readTimes<T extends { since?: string; until?: string }>(
  given: T,
): Omit<T, 'since' | 'until'> & { since?: Date; until?: Date } {
  const { since, until, ...rest } = given
  return {
    ...rest,
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(until === undefined ? {} : { until: new Date(until) }),
  }
}
