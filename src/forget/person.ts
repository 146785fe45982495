import { sql } from 'kysely'

import { hasEmail } from '#database/order-email.ts'

/** Whose data is to go: every order with this address, in any case, or with this customer id, exactly. */
export type Person = { email: string; customerId: string | null }

/** SQL that says of a document that it is this person's order. */
export function isTheirs({ email, customerId }: Person) {
  return sql<boolean>`(${hasEmail(email)}
    or coalesce(document #>> '{customer,id}' = ${customerId}::text, false))`
}
