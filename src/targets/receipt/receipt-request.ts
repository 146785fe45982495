import type { OrderToTell } from '#targets/target.ts'

/** All that a receipt is made of, as it is handed to the thread that renders: no functions, no environment. */
export type ReceiptRequest = {
  order: OrderToTell
  seller: Seller
  /** Of the receipt itself. */
  number: string
  title?: Wording | undefined
  footer?: Wording | undefined
  timeZone: string
  /** ISO 8601; null: the order stands. */
  cancelledAt: string | null
}

export type Seller = {
  name: string
  /** The address, line by line. */
  lines?: readonly string[] | undefined
  taxId?: string | undefined
}

/** One text for all, or one by language: `{ en, de }`; who has none gets the English one. */
export type Wording = string | Readonly<Record<string, string>>
