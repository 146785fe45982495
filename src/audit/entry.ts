import { hash } from 'node:crypto'

/** An entry of the audit chain as it stands in the table; digests and hashes as hexadecimal digits. */
export type Entry = {
  /** 1, 2, 3 … */
  position: string
  /** `2026-11-23T10:15:00.123456Z` */
  at: string
  kind: string
  record: string | null
  /** JSON as PostgreSQL writes it. */
  details: string
  digest: string | null
  previous: string
  hash: string
}

/** What an entry's hash has to be. Here and not in the database: its functions may have been replaced, too. */
export function hashEntry({ position, at, kind, record, details, digest, previous }: Entry) {
  return digestOf([position, at, kind, record, details, digest, previous])
}

/** SHA-256 of texts, each written as a netstring: its length in bytes, a colon, the text, a comma; null is `-,`. */
export function digestOf(fields: readonly (string | null)[]): string {
  return hash('sha256', fields.map(netstring).join(''))
}

function netstring(field: string | null): string {
  return field === null ? '-,' : `${Buffer.byteLength(field)}:${field},`
}

/** What the first entry continues. */
export const beginning = '0'.repeat(64)
