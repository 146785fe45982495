import { Type, type Static, type TSchema } from 'typebox'

import { countries, currencies } from './iso-codes.ts'

/** The largest amount, in minor units: 9 999 999 999.99 in a currency with cents. */
export const maxAmount = 999_999_999_999

/** Regular expressions of `Order`, for those who say in words what they mean. */
export const orderPatterns = {
  phone: '^\\+[1-9][0-9]{1,14}$',
  locale: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$',
  externalId: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
} as const

const amount = Type.Integer({ minimum: 0, maximum: maxAmount, description: 'In minor units.' })
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength })

// Not Type.Record: it says the key's rule as a pattern, which loses lengths and skips keys with a line break.
const texts = ({ maxProperties }: { maxProperties: number }) =>
  Type.Unsafe<Record<string, string>>({
    type: 'object',
    propertyNames: { minLength: 1, maxLength: 64 },
    additionalProperties: { type: 'string', maxLength: 512 },
    maxProperties,
  })

const Address = Type.Object(
  {
    name: text(100),
    company: Type.Optional(nullable(text(100))),
    line1: text(100),
    line2: Type.Optional(nullable(text(100))),
    city: text(60),
    region: Type.Optional(nullable(text(60))),
    postalCode: Type.Optional(nullable(text(20))),
    country: Type.String({ enum: [...countries], description: 'ISO 3166-1 alpha-2.' }),
  },
  { additionalProperties: false },
)

const Customer = Type.Object(
  {
    id: Type.Optional(nullable(text(100))),
    email: Type.String({ format: 'email', maxLength: 254 }),
    name: text(100),
    phone: Type.Optional(
      nullable(Type.String({ pattern: orderPatterns.phone, description: 'E.164.' })),
    ),
    locale: Type.Optional(
      nullable(
        Type.String({
          pattern: orderPatterns.locale,
          maxLength: 35,
          description: 'BCP 47. Decides the language of dates and amounts in what the buyer gets.',
        }),
      ),
    ),
  },
  { additionalProperties: false },
)

const Item = Type.Object(
  {
    lineId: text(64),
    sku: text(64),
    title: text(255),
    quantity: Type.Integer({ minimum: 1, maximum: 100_000 }),
    unitPrice: amount,
    discount: amount,
    tax: amount,
    taxRateBp: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10_000, description: 'In basis points: 1900 is 19 %.' }),
    ),
    requiresShipping: Type.Optional(Type.Boolean()),
    attributes: Type.Optional(texts({ maxProperties: 20 })),
  },
  { additionalProperties: false },
)

const ShippingLine = Type.Object(
  { code: text(64), title: text(100), amount, tax: amount },
  { additionalProperties: false },
)

const Discount = Type.Object({ code: text(64), amount }, { additionalProperties: false })

const Totals = Type.Object(
  {
    subtotal: Type.Integer({ ...amount, description: 'Σ quantity · unitPrice.' }),
    discount: Type.Integer({ ...amount, description: 'Σ item discounts + Σ discounts.' }),
    shipping: Type.Integer({ ...amount, description: 'Σ shipping amounts.' }),
    tax: Type.Integer({ ...amount, description: 'Σ item tax + Σ shipping tax.' }),
    total: Type.Integer({
      ...amount,
      description: 'subtotal − discount + shipping, + tax unless pricesIncludeTax.',
    }),
  },
  { additionalProperties: false },
)

const Payment = Type.Object(
  {
    status: Type.Optional(
      Type.String({ enum: ['captured', 'authorized', 'pending', 'not-required'] }),
    ),
    provider: Type.Optional(nullable(text(64))),
    reference: Type.Optional(nullable(text(255))),
    token: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  },
  {
    additionalProperties: false,
    description:
      'Either `status` (paid elsewhere) or `token` (charged now). There is no field for a card number, and a token that looks like one is refused.',
  },
)

/** What a storefront POSTs: the single source of the HTTP schema, the stored document and the targets' type. */
export const Order = Type.Object(
  {
    externalId: Type.String({
      pattern: orderPatterns.externalId,
      description: 'The storefront’s own order number, unique.',
    }),
    placedAt: Type.String({
      format: 'date-time',
      maxLength: 35,
      description: 'RFC 3339, in the years 2000 to 2099.',
      examples: ['2026-11-22T10:15:00Z'],
    }),
    currency: Type.String({ enum: [...currencies], description: 'ISO 4217.' }),
    pricesIncludeTax: Type.Boolean(),
    customer: Customer,
    billingAddress: Address,
    shippingAddress: Type.Optional(nullable(Address)),
    items: Type.Array(Item, { minItems: 1, maxItems: 500 }),
    shipping: Type.Optional(Type.Array(ShippingLine, { maxItems: 10 })),
    discounts: Type.Optional(Type.Array(Discount, { maxItems: 20 })),
    totals: Totals,
    payment: Payment,
    note: Type.Optional(nullable(Type.String({ maxLength: 2_000 }))),
    metadata: Type.Optional(texts({ maxProperties: 50 })),
  },
  { additionalProperties: false },
)

export type Order = Static<typeof Order>

/** `null` beside the schema's own type, as `type: [x, 'null']`: errors stay about the value, not about branches. */
function nullable<T extends TSchema & { type: string }>(schema: T) {
  return Type.Unsafe<Static<T> | null>({ ...schema, type: [schema.type, 'null'] })
}
