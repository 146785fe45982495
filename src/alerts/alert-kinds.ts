/** What can be alerted about. A new kind starts here, and has a row in docs/alerts.md. */
export const alertKinds = [
  'owner',
  'verify.lost',
  'verify.stuck',
  'verify.failed',
  'dead-letters',
  'outbox',
  'partitions',
  'payments',
  'shedding',
  'intake',
] as const

export type AlertKind = (typeof alertKinds)[number]

/** What an alert is about: at most one is open for each. */
export type AlertSubject = {
  kind: AlertKind
  /** For example a target; absent when there is only one of this kind. */
  subject?: string
}
