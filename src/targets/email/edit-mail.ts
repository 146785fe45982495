import { Type } from 'typebox'
import { Value } from 'typebox/value'

import { sayRule } from '#base/say-rule.ts'
import { findJsonMistake, findTextMistake, type ReadEdited } from '#targets/http/edit-request.ts'

import { type Mailbox, parseMailbox } from './parse-mailbox.ts'

const EditedMail = Type.Object(
  {
    to: Type.String({ maxLength: 500 }),
    subject: Type.String({ minLength: 1, maxLength: 500 }),
    text: Type.String(),
    html: Type.String(),
  },
  { additionalProperties: false },
)

/** A mail as an operator wrote it; `to` is one address. */
export type EditedMail = Type.Static<typeof EditedMail>

/** Undefined: nothing was edited. An error for what is no mail: the target was of another kind when it was written. */
export function editedMail(edited: unknown): EditedMail | Error | undefined {
  if (edited === undefined || edited === null) return undefined
  if (Value.Check(EditedMail, edited)) return edited
  return new Error(
    'what an operator wrote for this order is no mail: the target was of another kind',
  )
}

export function readMail(text: string): ReadEdited {
  const mistake = findTextMistake(text) ?? findJsonMistake(text)
  if (mistake !== undefined) return { mistake }
  const mail: unknown = JSON.parse(text)
  // The false schema of an unknown field is said by another mistake.
  const error = Value.Errors(EditedMail, mail).find(({ keyword }) => keyword !== 'boolean')
  if (error || !Value.Check(EditedMail, mail))
    return {
      mistake: `It must be {to, subject, text, html}${error ? `: ${sayMistake(error)}` : '.'}`,
    }
  if (!parseMailbox(mail.to))
    return { mistake: 'to must be one address like Ada L <ada@example.com>' }
  if (/[\r\n]/.test(mail.subject)) return { mistake: 'subject must be one line' }
  // Escaped, they would pass as JSON text and not be stored.
  const unkept = Object.values(mail).some((part) => part.includes('\0') || !part.isWellFormed())
  return unkept ? { mistake: 'It holds what is no text, such as NUL.' } : { edited: mail }
}

type Mistake = ReturnType<typeof Value.Errors>[number]

function sayMistake(error: Mistake): string {
  if (error.keyword === 'required')
    return `${error.params.requiredProperties.join(' and ')} must be there`
  if (error.keyword === 'additionalProperties')
    return `it has nothing called ${error.params.additionalProperties.join(' or ')}`
  return `${error.instancePath.slice(1)} ${sayRule(error)}`
}

export function writeMailbox({ name, address }: Mailbox): string {
  return name === '' ? address : `"${name.replaceAll(/["\\]/g, '\\$&')}" <${address}>`
}
