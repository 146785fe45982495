/** What is not as it was. */
export type ChainFinding = {
  kind: ChainFindingKind
  /** Of the entry it is about, if it is about one. */
  position: number | null
  /** The row of audit_log, or the order. */
  record: string | null
  /** A sentence. */
  what: string
}

export type ChainFindingKind =
  | 'entry-changed'
  | 'entry-missing'
  | 'chain-broken'
  | 'record-changed'
  | 'record-removed'
  | 'record-inserted'
  | 'order-changed'
  | 'order-removed'
  | 'salt-removed'
  | 'removal-too-young'
  | 'expected-missing'
