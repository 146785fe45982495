/** What a validator of JSON Schema says of one mistake; ours (Ajv, TypeBox) agree on these names. */
export type BrokenRule = { keyword: string; params: object; message?: string | undefined }

export type RuleWords = {
  /** What the schema that was broken says of itself. */
  description?: string | undefined
  /** What stands behind `must` instead of a pattern. */
  pattern?: string | undefined
}

/**
 * A broken rule as the end of a sentence about the value: `must be one of csv, pdf`. The only place that knows how. It
 * quotes the schema, never the value, which may be personal.
 */
export function sayRule({ keyword, params, message }: BrokenRule, words: RuleWords = {}): string {
  const given = params as Record<string, unknown>
  switch (keyword) {
    case 'type':
      return `must be ${[given['type']].flat().join(' or ')}`
    case 'const':
      return `must be ${write(given['allowedValue'])}`
    case 'enum':
      return `must be ${oneOf(given['allowedValues'], words.description)}`
    case 'format':
      return formats[String(given['format'])] ?? `must be of the format ${String(given['format'])}`
    case 'pattern':
      return `must ${words.pattern ?? `match the pattern ${patternOf(given['pattern'])}`}`
    case 'minLength':
      return given['limit'] === 1 ? 'must not be empty' : `must have at least ${characters(given)}`
    case 'maxLength':
      return `must have at most ${characters(given)}`
    case 'minItems':
      return `must have at least ${count(given, 'item')}`
    case 'maxItems':
      return `must have at most ${count(given, 'item')}`
    case 'minProperties':
      return `must have at least ${count(given, 'field')}`
    case 'maxProperties':
      return `must have at most ${count(given, 'field')}`
    case 'minimum':
      return `must be at least ${String(given['limit'])}`
    case 'maximum':
      return `must be at most ${String(given['limit'])}`
    case 'exclusiveMinimum':
      return `must be more than ${String(given['limit'])}`
    case 'exclusiveMaximum':
      return `must be less than ${String(given['limit'])}`
    case 'multipleOf':
      return `must be a multiple of ${String(given['multipleOf'])}`
    case 'uniqueItems':
      return 'must not have the same item twice'
    case 'propertyNames':
      return 'must not have a field of that name'
    case 'anyOf':
      return 'must be of one of the forms that its schema allows'
    case 'oneOf':
      return 'must be of exactly one of the forms that its schema allows'
    case 'not':
      return 'must not be of the form that its schema excludes'
    case 'required':
      return 'is required'
    case 'additionalProperties':
      return 'is not a known field'
    default:
      return message?.replace('must NOT', 'must not') ?? `breaks the rule ${keyword}`
  }
}

const formats: Record<string, string> = {
  'date-time': 'must be a time such as 2026-11-22T10:15:00Z (RFC 3339)',
  date: 'must be a day such as 2026-11-22',
  email: 'must be an email address',
  uuid: 'must be a UUID such as 0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4',
  uri: 'must be an address such as https://shop.example/',
}

const characters = (given: Record<string, unknown>) => count(given, 'character')

function count({ limit }: Record<string, unknown>, one: string): string {
  return `${String(limit)} ${one}${limit === 1 ? '' : 's'}`
}

// All states that an order can be in, and not the 250 countries of ISO 3166: their description names the list.
const mostValues = 20

function oneOf(allowed: unknown, description: string | undefined): string {
  const isLong = Array.isArray(allowed) && allowed.length > mostValues
  return isLong && description !== undefined
    ? `a code of ${description}`
    : `one of ${listOf(allowed)}`
}

function listOf(written: unknown): string {
  const values: unknown[] = Array.isArray(written) ? written : []
  const shown = values.slice(0, mostValues).map(writeWord).join(', ')
  return values.length > mostValues ? `${shown} and ${values.length - mostValues} more` : shown
}

function writeWord(value: unknown): string {
  return typeof value === 'string' && /^[\w.-]+$/.test(value) ? value : write(value)
}

const mostCharacters = 100

function write(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text
}

function patternOf(pattern: unknown): string {
  return pattern instanceof RegExp ? pattern.source : String(pattern)
}
