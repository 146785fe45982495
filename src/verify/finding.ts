/**
 * What a verification can find. `lost`: a target would never be told, or nobody would ever see it, if nobody did
 * anything. `stuck`: past its time; somebody should look, nothing is lost. `disorder`: two rows that do not fit, by
 * which nothing is lost.
 */
export const findingKinds = {
  'order-without-message': 'lost',
  'message-missing': 'lost',
  'delivery-missing': 'lost',
  'job-missing': 'lost',
  'letter-missing': 'lost',
  'attempt-missing': 'lost',
  'message-refused': 'stuck',
  'message-late': 'stuck',
  'payment-unknown': 'stuck',
  'waiting-for-nothing': 'stuck',
  'job-silent': 'stuck',
  'job-overtaken': 'stuck',
  'target-idle': 'stuck',
  'not-awaited': 'disorder',
  'delivery-not-routed': 'disorder',
  'job-without-delivery': 'disorder',
  'letter-without-death': 'disorder',
} as const satisfies Record<string, 'lost' | 'stuck' | 'disorder'>

export type FindingKind = keyof typeof findingKinds

/** Ids and times as text: findings are kept as JSON. */
export type Finding = {
  kind: FindingKind
  orderId: string | null
  messageId: string | null
  target: string | null
  /** ISO 8601. */
  since: string | null
}

export type NamedFinding = Finding & {
  /** The order's own number; null: there is no such order, or it is about none. */
  order: string | null
  /** The message's kind. */
  message: string | null
}

export type FindingCounts = Partial<Record<FindingKind, number>>

export function countClass(
  counts: FindingCounts,
  wanted: (typeof findingKinds)[FindingKind],
): number {
  return Object.entries(counts)
    .filter(([kind]) => isFindingKind(kind) && findingKinds[kind] === wanted)
    .reduce((sum, [, count]) => sum + count, 0)
}

export function isFindingKind(text: string): text is FindingKind {
  return Object.hasOwn(findingKinds, text)
}

/** What makes two findings the same one. A message's order is not always known where it is looked at. */
export function findingKey({ kind, orderId, messageId, target }: Finding): string {
  return [kind, messageId ?? orderId, target].join(' ')
}
