/** A dead letter as lists show it. */
export type LetterSummary = {
  id: string
  target: string
  /** Letters of the same target and kind of failure have the same. */
  groupId: string
  /** The order's; of a message about no order, the message's own id, and `externalId` is null. */
  orderId: string
  externalId: string | null
  /** `kind` is null when it is gone with its month of history. */
  message: { id: string; kind: string | null }
  reason: string
  /** HTTP status or SMTP reply code; null: no answer. */
  status: number | null
  /** What the target calls the error. */
  code: string | null
  /** How often the delivery was tried by now. */
  attemptCount: number
  diedAt: Date
  closed: ClosedLetter | null
  held: HeldLetter | null
}

export type ClosedLetter = {
  resolution: 'replayed' | 'discarded'
  at: Date
  by: string | null
  reason: string | null
  /** The replay that did it; null: it was done by hand. */
  replayId: string | null
}

/** Kept from any retention. */
export type HeldLetter = { at: Date; by: string; reason: string }

/** A row of the queries that read letters. */
export type LetterRow = Omit<LetterSummary, 'message' | 'attemptCount' | 'closed' | 'held'> & {
  messageId: string
  kind: string | null
  attempts: number
  resolution: 'replayed' | 'discarded' | null
  resolvedAt: Date | null
  resolvedBy: string | null
  comment: string | null
  replayId: string | null
  heldAt: Date | null
  heldBy: string | null
  holdReason: string | null
}

export function summaryOf(row: LetterRow): LetterSummary {
  return {
    id: row.id,
    target: row.target,
    groupId: row.groupId,
    orderId: row.orderId,
    externalId: row.externalId,
    message: { id: row.messageId, kind: row.kind },
    reason: row.reason,
    status: row.status,
    code: row.code,
    attemptCount: row.attempts,
    diedAt: row.diedAt,
    closed: closedOf(row),
    held: heldOf(row),
  }
}

function closedOf(row: LetterRow): ClosedLetter | null {
  const { resolution, resolvedAt, resolvedBy, comment, replayId } = row
  if (resolution === null || resolvedAt === null) return null
  return { resolution, at: resolvedAt, by: resolvedBy, reason: comment, replayId }
}

function heldOf({ heldAt, heldBy, holdReason }: LetterRow): HeldLetter | null {
  if (heldAt === null) return null
  return { at: heldAt, by: heldBy ?? '', reason: holdReason ?? '' }
}
