/** What the target answered, kept with the attempt: see keepAnswer. */
export type Answer = {
  /** HTTP status or SMTP reply code. */
  status?: number
  /** The body or reply, cut at `keptAnswerBytes`. */
  text?: string
  /** Of an HTTP answer, those that help to find out what happened; names in lower case. */
  headers?: Readonly<Record<string, string>>
  /**
   * What the target calls the error, `UNKNOWN_SKU`; an SMTP server's enhanced status, `5.1.1`; or without an
   * answer the system's own code, `ECONNREFUSED`. 1 to 64 letters, digits and `_.:-`.
   */
  code?: string
  /** What later targets are given of it (see `EarlierAnswer`): JSON of at most `keptValueBytes`. */
  value?: unknown
}

export const keptAnswerBytes = 4_096

export const keptValueBytes = 16_384

/** What a target made of the order, a receipt: kept with the order, at most `maxFileBytes`. */
export type MadeFile = {
  /** What a download is called, 1 to 100 characters. */
  name: string
  /** Media type, at most 100 characters. */
  contentType: string
  bytes: Uint8Array
}

export const maxFileBytes = 10_485_760

/** The closed set of what one try at a delivery can come to. */
export type Outcome =
  /**
   * `reason`: what went wrong after it was told, for people. `enter`: to be entered in the audit chain, in the transaction
   * that settles it.
   */
  | { kind: 'delivered'; reason?: string; answer?: Answer; file?: MadeFile; enter?: true }
  /** Not before `notBeforeSeconds` (0 … 3600) from now when the target said so (`Retry-After`), else by the schedule. */
  | { kind: 'try-again'; reason: string; notBeforeSeconds?: number; answer?: Answer }
  /** Will not get better by repeating. `mayBeTold`: all the same it may have acted, as `uncertain`. */
  | { kind: 'give-up'; reason: string; answer?: Answer; mayBeTold?: true }
  /** Sent, but no answer: the target may or may not have acted. Repeated only when it is idempotent, and as above. */
  | { kind: 'uncertain'; reason: string; notBeforeSeconds?: number; answer?: Answer }

export function delivered(answer?: Answer): Outcome {
  return answer ? { kind: 'delivered', answer } : { kind: 'delivered' }
}

export function tryAgain(
  reason: string,
  more: { notBeforeSeconds?: number; answer?: Answer } = {},
): Outcome {
  return { kind: 'try-again', reason, ...more }
}

export function giveUp(reason: string, answer?: Answer): Outcome {
  return answer ? { kind: 'give-up', reason, answer } : { kind: 'give-up', reason }
}

export function uncertain(reason: string, answer?: Answer): Outcome {
  return answer ? { kind: 'uncertain', reason, answer } : { kind: 'uncertain', reason }
}
