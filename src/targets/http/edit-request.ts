import { sayJsonEnd } from '#base/say-json-end.ts'
import type { Told } from '#targets/target-kind.ts'

/** Lets an operator correct what is sent for one order. */
export type RequestEditing = {
  /** What is sent, as the configuration makes it of the order or, when there is one, as it was edited before. */
  write(told: Told, edited: unknown): Promise<WrittenRequest>
  /** What is kept of the text that an operator made of it, given to `call` as `edited`. */
  read(text: string, format: RequestFormat): ReadEdited
}

export type RequestFormat = 'json' | 'text'

export type WrittenRequest = { text: string; format: RequestFormat } | { mistake: string }

export type ReadEdited = { edited: object } | { mistake: string }

/** A body as an operator wrote it: sent as it is, byte for byte. */
export type EditedBody = { body: string; format: RequestFormat }

const mostCharacters = 1_000_000

/** Undefined: nothing was edited. Throws for what is no body: the target was of another kind when it was written. */
export function editedBody(edited: unknown): EditedBody | undefined {
  if (edited === undefined || edited === null) return undefined
  if (isEditedBody(edited)) return edited
  throw new Error(
    'what an operator wrote for this order is no body: the target was of another kind',
  )
}

function isEditedBody(edited: unknown): edited is EditedBody {
  return (
    edited instanceof Object &&
    'body' in edited &&
    typeof edited.body === 'string' &&
    'format' in edited &&
    (edited.format === 'json' || edited.format === 'text')
  )
}

/** Reads a body: JSON has to be JSON, and is kept as it is written. */
export function readBody(text: string, format: RequestFormat): ReadEdited {
  const mistake = findTextMistake(text) ?? (format === 'json' ? findJsonMistake(text) : undefined)
  if (mistake !== undefined) return { mistake }
  return { edited: { body: format === 'json' ? text.trim() : text, format } satisfies EditedBody }
}

export function findTextMistake(text: string): string | undefined {
  if (text.trim() === '') return 'It is empty.'
  if (text.length > mostCharacters)
    return `It has ${text.length} characters: at most ${mostCharacters} are kept.`
  if (text.includes('\0') || !text.isWellFormed()) return 'It holds what is no text, such as NUL.'
  return undefined
}

export function findJsonMistake(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch {
    // The engine's message quotes the text, which names people.
    return `It stops being JSON ${sayJsonEnd(text)}.`
  }
}

/** A body for a person to read. */
export function writeBody(body: string, contentType: string): WrittenRequest {
  if (!/\bjson\b/i.test(contentType)) return { text: body, format: 'text' }
  return { text: indent(body), format: findJsonMistake(body) === undefined ? 'json' : 'text' }
}

/** As it is, when reading it would lose something: a number too large, a member written twice. */
function indent(json: string): string {
  if (findJsonMistake(json) !== undefined) return json
  const value: unknown = JSON.parse(json)
  return JSON.stringify(value) === json ? JSON.stringify(value, null, 2) : json
}
