import { Type, type Static } from 'typebox'

import { isTimeZone } from '#targets/describe-order.ts'
import type { Mistake, Told } from '#targets/target-kind.ts'
import { commonOptions } from '#targets/target-options.ts'

import type { Wording } from './receipt-request.ts'

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength })

const wording = (maxLength: number) =>
  Type.Union([
    text(maxLength),
    Type.Unsafe<Exclude<Wording, string>>({
      type: 'object',
      propertyNames: { pattern: '^[a-z]{2,3}$' },
      additionalProperties: { type: 'string', minLength: 1, maxLength },
    }),
  ])

export const ReceiptOptions = Type.Object(
  {
    seller: Type.Object(
      {
        name: text(100),
        lines: Type.Optional(Type.Array(text(100), { maxItems: 8 })),
        taxId: Type.Optional(text(50)),
      },
      { additionalProperties: false },
    ),
    title: Type.Optional(wording(40)),
    footer: Type.Optional(wording(400)),
    number: Type.Optional(Type.Unsafe<(told: Told) => string>({ type: 'function' })),
    timeZone: Type.Optional(Type.String()),
    ...commonOptions,
  },
  { additionalProperties: false },
)

export type ReceiptOptions = Static<typeof ReceiptOptions>

export function findReceiptMistakes({ title, footer, timeZone }: ReceiptOptions): Mistake[] {
  const withoutEnglish = Object.entries({ title, footer }).filter(
    ([, words]) => typeof words === 'object' && !Object.hasOwn(words, 'en'),
  )
  return [
    ...withoutEnglish.map(([path]) => ({
      path,
      message: 'needs en, for those whose language it does not have',
    })),
    ...(timeZone === undefined || isTimeZone(timeZone)
      ? []
      : [{ path: 'timeZone', message: 'must be a time zone like Europe/Berlin' }]),
  ]
}
