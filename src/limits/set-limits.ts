import { sql } from 'kysely'

import { notifyOnce } from '#database/notify-once.ts'
import type { Db, Tx } from '#database/open-database.ts'
import type { Rate } from '#targets/target.ts'

import { recordChange } from './record-change.ts'

/** What an operator wants; absent: as it is. `default`: the configuration's. */
export type LimitsRequest = {
  target: string
  who: string
  reason: string | null
  /** 1 … 1000. */
  concurrency?: number | 'default'
  rate?: Rate | 'none' | 'default'
}

/** The limits that count, and whether an operator set them. */
export type Limits = {
  concurrency: number
  concurrencySet: boolean
  rate: Rate | null
  rateSet: boolean
}

export type LimitsSet =
  | { kind: 'set'; before: Limits; after: Limits; words: string }
  | { kind: 'unchanged'; limits: Limits }
  | { kind: 'unknown-target' }

/**
 * Sets how much a target may be called, for all workers and until it is set otherwise, whatever the
 * configuration says meanwhile. Calls that run already end as they end: see `leasedSlots`.
 */
export async function setLimits(db: Db, request: LimitsRequest): Promise<LimitsSet> {
  const set = await db.transaction().execute((tx) => write(tx, request))
  if (set.kind === 'set') await notifyOnce(db, 'orderwheel_targets', [request.target])
  return set
}

async function write(tx: Tx, request: LimitsRequest): Promise<LimitsSet> {
  const row = await lockLimits(tx, request.target)
  if (!row) return { kind: 'unknown-target' }
  const before = limitsOf(row)
  const wanted = change(row, request)
  const after = limitsOf(wanted)
  const words = describeChange(before, after)
  if (words === '') return { kind: 'unchanged', limits: before }
  await tx
    .updateTable('orderwheel.targets')
    .set({
      concurrency_set: wanted.concurrencySet,
      rate_set: wanted.rateSet !== undefined,
      rate_set_max: wanted.rateSet?.max ?? null,
      rate_set_per_seconds: wanted.rateSet?.perSeconds ?? null,
    })
    .where('name', '=', request.target)
    .execute()
  const { target, who, reason } = request
  const given = reason === null ? '' : ` (${reason})`
  await recordChange(tx, {
    target,
    change: 'limits-set',
    words: `${words}${given}`,
    who,
    reason,
    details: { before, after },
  })
  return { kind: 'set', before, after, words }
}

type Row = {
  concurrency: number
  rate: Rate | null
  concurrencySet: number | null
  /** Undefined: not set; null: set to no limit. */
  rateSet: Rate | null | undefined
}

async function lockLimits(tx: Tx, target: string): Promise<Row | undefined> {
  const { rows } = await sql<Omit<Row, 'rateSet'> & { isRateSet: boolean; rateSet: Rate | null }>`
    select concurrency, concurrency_set as "concurrencySet", rate_set as "isRateSet",
           case when rate_max is not null
                then json_build_object('max', rate_max, 'perSeconds', rate_per_seconds) end as rate,
           case when rate_set_max is not null
                then json_build_object('max', rate_set_max, 'perSeconds', rate_set_per_seconds) end as "rateSet"
      from orderwheel.targets where name = ${target}
       for update`.execute(tx)
  const [row] = rows
  return row && { ...row, rateSet: row.isRateSet ? row.rateSet : undefined }
}

function change(row: Row, { concurrency, rate }: LimitsRequest): Row {
  return {
    ...row,
    ...(concurrency === undefined
      ? {}
      : { concurrencySet: concurrency === 'default' ? null : concurrency }),
    ...(rate === undefined ? {} : { rateSet: wantedRate(rate) }),
  }
}

function wantedRate(rate: Rate | 'none' | 'default'): Row['rateSet'] {
  if (rate === 'default') return undefined
  return rate === 'none' ? null : rate
}

function limitsOf({ concurrency, rate, concurrencySet, rateSet }: Row): Limits {
  return {
    concurrency: concurrencySet ?? concurrency,
    concurrencySet: concurrencySet !== null,
    rate: rateSet === undefined ? rate : rateSet,
    rateSet: rateSet !== undefined,
  }
}

function describeChange(before: Limits, after: Limits): string {
  const concurrency = (limits: Limits) =>
    `${limits.concurrency}${limits.concurrencySet ? '' : ' (the configuration’s)'}`
  const rate = (limits: Limits) =>
    `${describeRate(limits.rate)}${limits.rateSet ? '' : ' (the configuration’s)'}`
  const changes = [
    ['concurrency', concurrency(before), concurrency(after)],
    ['rate', rate(before), rate(after)],
  ]
  return changes
    .filter(([, was, is]) => was !== is)
    .map(([what, was, is]) => `${what} ${was} → ${is}`)
    .join(', ')
}

/** `10 in 1 s`; `no limit`. */
export function describeRate(rate: Rate | null): string {
  return rate ? `${rate.max} in ${rate.perSeconds} s` : 'no limit'
}
