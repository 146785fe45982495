import { keptValueBytes } from './outcome.ts'
import { storableText } from './storable-text.ts'

// PostgreSQL reads JSON some thousand levels deep; nobody means more than a few.
const maxDepth = 64

/**
 * What is kept of an answer for later targets, as JSON that PostgreSQL can store. An Error says, without the value,
 * why it cannot be kept.
 */
export function keepValue(value: unknown): unknown {
  try {
    const text = JSON.stringify(value)
    if (text === undefined) return new Error('is no JSON')
    const bytes = Buffer.byteLength(text)
    if (bytes > keptValueBytes) return new Error(`is ${bytes} bytes, more than ${keptValueBytes}`)
    return mend(JSON.parse(text), 0)
  } catch (error) {
    return new Error(error instanceof TooDeep ? `is deeper than ${maxDepth} levels` : 'is no JSON')
  }
}

class TooDeep extends Error {}

function mend(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return storableText(value, keptValueBytes)
  if (typeof value !== 'object' || value === null) return value
  if (depth === maxDepth) throw new TooDeep()
  if (Array.isArray(value)) return value.map((item) => mend(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      storableText(name, keptValueBytes),
      mend(member, depth + 1),
    ]),
  )
}
