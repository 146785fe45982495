import { type RawBuilder, sql } from 'kysely'

/** SQL that says of an order's `document` that its customer has this address, in any case. There is no index: decision 19. */
export function hasEmail(email: string): RawBuilder<boolean> {
  return sql`lower(btrim(document #>> '{customer,email}')) = lower(btrim(${email}))`
}
