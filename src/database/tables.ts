import type { ColumnType, Generated, GeneratedAlways } from 'kysely'

/** The tables of schema `orderwheel` as Kysely sees them. What each column means: `\d+` in psql, or migrations/. */
export type Tables = {
  'orderwheel.api_keys': {
    id: Generated<string>
    name: string
    key_hash: Buffer
    key_start: string
    scopes: string[]
    rate_per_second: Generated<number>
    created_at: Generated<Date>
    revoked_at: Date | null
  }
  'orderwheel.orders': {
    id: Generated<string>
    external_id: string
    api_key_id: string
    idempotency_key: string
    fingerprint: Buffer
    document: Json
    received_at: Generated<Date>
    forgotten_at: Date | null
    cancelled_at: Date | null
  }
  'orderwheel.order_files': {
    order_id: string
    target: string
    message_id: string
    name: string
    content_type: string
    bytes: Buffer
    made_at: Generated<Date>
  }
  'orderwheel.payments': {
    order_id: string
    external_id: string
    state: Generated<PaymentState>
    provider: string
    mode: 'authorise' | 'capture'
    token: string | null
    reference: string | null
    reason: string | null
    code: string | null
    attempts: Generated<number>
    begun_at: Generated<Date>
    claimed_until: Date | null
    try_after: Generated<Date>
    settled_at: Date | null
    became: 'captured' | 'voided' | 'refunded' | null
  }
  'orderwheel.outbox': {
    position: GeneratedAlways<string>
    id: Generated<string>
    order_id: string
    kind: string
    payload: JsonWithDefault
    created_at: Generated<Date>
    refusals: Generated<number>
    refusal: string | null
    try_after: Date | null
  }
  'orderwheel.messages': {
    id: string
    position: string
    order_id: string
    kind: string
    payload: Json
    created_at: Date
    relayed_at: Generated<Date>
    targets: string[] | null
  }
  'orderwheel.targets': {
    name: string
    kind: string
    concurrency: number
    declared_at: Generated<Date>
    priority: Generated<Priority>
    rate_max: number | null
    rate_per_seconds: number | null
    concurrency_set: number | null
    rate_set: Generated<boolean>
    rate_set_max: number | null
    rate_set_per_seconds: number | null
    next_call_at: Date | null
    paused_at: Date | null
    paused_until: Date | null
    paused_by: string | null
    pause_reason: string | null
    circuit: Generated<CircuitState>
    circuit_since: Generated<Date>
    circuit_reason: string | null
    circuit_epoch: Generated<string>
    probe_at: Date | null
    failed_probes: Generated<number>
    ramp_slots: Generated<number>
    ramp_calls: Generated<number>
    failed_in_a_row: Generated<number>
    window_since: Date | null
    window_calls: Generated<number>
    window_failed: Generated<number>
    address: string | null
    keep_letters_days: number | null
  }
  'orderwheel.target_changes': {
    id: GeneratedAlways<string>
    target: string
    at: Generated<Date>
    change: TargetChange
    reason: string | null
    who: string
  }
  'orderwheel.slot_leases': {
    target: string
    worker: string
    slots: number
    wanted: number
    renewed_at: Generated<Date>
  }
  'orderwheel.shedding': {
    target: string
    max_open: number | null
    first_at: Date | null
    began_at: Date | null
    ended_at: Date | null
    shed: Generated<string>
  }
  'orderwheel.deliveries': {
    message_id: string
    target: string
    position: string
    order_id: string
    state: DeliveryState
    after: Generated<string[]>
    attempts: Generated<number>
    uncharged: Generated<number>
    created_at: Generated<Date>
    started_at: Date | null
    worker: string | null
    settled_at: Date | null
    last_fetch: Generated<number>
    awaited: Generated<boolean>
    ask_first: Generated<boolean>
    lost_in_a_row: Generated<number>
    edited: Json | null
    edited_for: string | null
  }
  'orderwheel.delivery_attempts': {
    message_id: string
    target: string
    number: number
    started_at: Date
    duration_ms: number | null
    outcome: AttemptOutcome
    reason: string | null
    answer: Json | null
    worker: string
    charged: Generated<boolean>
  }
  'orderwheel.dead_letters': {
    id: Generated<string>
    message_id: string
    target: string
    order_id: string
    reason: string
    attempts: Json
    died_at: Generated<Date>
    resolution: 'replayed' | 'discarded' | null
    resolved_at: Date | null
    resolved_by: string | null
    comment: string | null
    status: GeneratedAlways<number | null>
    code: GeneratedAlways<string | null>
    failure: GeneratedAlways<string | null>
    group_id: GeneratedAlways<string>
    replay_id: string | null
    held_at: Date | null
    held_by: string | null
    hold_reason: string | null
  }
  'orderwheel.replays': {
    id: Generated<string>
    filter: Json
    requested_by: string
    created_at: Generated<Date>
    total: Generated<number>
    replayed: Generated<number>
    finished_at: Date | null
    action: Generated<'replay' | 'discard'>
    state: Generated<'running' | 'paused' | 'cancelled' | 'finished'>
    reason: string | null
    rate_per_second: Generated<number>
    refused: Generated<number>
    next_at: Generated<Date>
    changed_at: Generated<Date>
    changed_by: string | null
  }
  'orderwheel.replay_items': {
    replay_id: string
    position: number
    letter_id: string
    state: Generated<'waiting' | 'done' | 'refused' | 'cancelled'>
    result: string | null
    worked_off_at: Date | null
  }
  'orderwheel.verifications': {
    id: Generated<string>
    is_full: boolean
    requested_by: string
    started_at: Date
    finished_at: Generated<Date>
    failure: string | null
    orders: Generated<string>
    messages: Generated<string>
    deliveries: Generated<string>
    jobs: Generated<string>
    lost: Generated<number>
    stuck: Generated<number>
    disorders: Generated<number>
    counts: JsonWithDefault
    findings: JsonWithDefault
    watermark: string | null
  }
  'orderwheel.alerts': {
    id: Generated<string>
    kind: string
    subject: Generated<string>
    text: string
    raised_at: Generated<Date>
    resolved_at: Date | null
    told_at: Date | null
    told_end_at: Date | null
    try_after: Generated<Date>
    tries: Generated<number>
    failure: string | null
  }
  'orderwheel.installation': {
    one_row: Generated<boolean>
    system_identifier: string | null
    database_oid: number
    database_name: string
    written_by: Generated<string>
    environment: string | null
    owned_since: Generated<Date>
    owned_by: string
  }
  'orderwheel.link_keys': {
    purpose: 'status'
    key: Buffer
    made_at: Generated<Date>
  }
  'orderwheel.forgettings': {
    id: Generated<string>
    requested_by: string
    reason: string | null
    even_open: boolean
    started_at: Generated<Date>
    salt: Buffer | null
    person: Buffer | null
    orders: Generated<number>
    refused: Generated<number>
    masked: Generated<number>
    finished_at: Date | null
  }
  'orderwheel.audit_log': {
    id: Generated<string>
    at: Generated<Date>
    who: string
    action: string
    subject: string
    reason: string | null
    details: JsonWithDefault
  }
}

/** `jsonb`: read as parsed, written as JSON text. */
type Json = ColumnType<unknown, string, string>
type JsonWithDefault = ColumnType<unknown, string | undefined, string>

export type DeliveryState =
  | 'waiting'
  | 'queued'
  | 'active'
  | 'retrying'
  | 'delivered'
  | 'dead'
  | 'uncertain'
  | 'shed'
  | 'skipped'
  | 'cancelled'

export type PaymentState = 'pending' | 'authorized' | 'captured' | 'declined'

export type Priority = 'high' | 'normal' | 'low'

export type CircuitState = 'closed' | 'open' | 'probing' | 'ramping'

export type TargetChange =
  | 'circuit-opened'
  | 'circuit-probing'
  | 'circuit-ramping'
  | 'circuit-closed'
  | 'paused'
  | 'resumed'
  | 'limits-set'
  | 'shedding-began'
  | 'shedding-ended'

export type AttemptOutcome =
  | 'delivered'
  | 'try-again'
  | 'give-up'
  | 'uncertain'
  | 'handed-back'
  | 'abandoned'
