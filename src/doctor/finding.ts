/** error: orders are lost, late or told twice, or soon will be · warning: it will cost something later. */
export type Severity = 'error' | 'warning'

export type Finding = {
  kind: FindingKind
  severity: Severity
  /** What is the case, with the numbers. */
  what: string
  /** Why it matters, in one sentence. */
  why: string
  /** The SQL, setting or command that mends it. */
  fix: string
}

export type FindingKind =
  | 'not-examined'
  | 'database-unreachable'
  | 'server-too-old'
  | 'not-migrated'
  | 'migration-changed'
  | 'schema-drift'
  | 'pgboss-version'
  | 'pgboss-drift'
  | 'invalid-index'
  | 'foreign-database'
  | 'pooler-without-direct-url'
  | 'direct-url-through-pooler'
  | 'no-limits-behind-pooler'
  | 'too-many-connections'
  | 'unsafe-setting'
  | 'wraparound'
  | 'xmin-held'
  | 'prepared-transaction'
  | 'replication-slot'
  | 'blocked-session'
  | 'autovacuum-off'
  | 'vacuum-behind'
  | 'index-bloat'
  | 'unlogged-table'
  | 'queue-missing'
  | 'queue-without-target'
  | 'retention-too-short'
  | 'expiry-too-short'
  | 'no-worker'
  | 'worker-idle'
  | 'partitions-missing'
  | 'outbox-not-moving'
  | 'intake-full'
  | 'message-refused'
  | 'clock-skew'
  | 'audit-chain-broken'
