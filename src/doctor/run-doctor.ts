import { setTimeout } from 'node:timers/promises'

import { openDatabase } from '#database/open-database.ts'
import { sayUnavailable } from '#database/say-unavailable.ts'

import { intakeDefaults } from '#messages/intake-limits.ts'

import type { Examination, Examined, Patient } from './examination.ts'
import { examinations } from './examinations.ts'
import type { Finding } from './finding.ts'

export type DoctorReport = {
  examinedAt: string
  /** Errors first. */
  findings: Finding[]
  /** What was looked at and found well. */
  well: string[]
  /** What could not be seen, by subject: this role may not, or the configuration is not there. */
  unseen: { subject: string; reason: string }[]
}

type Usual = 'patienceSeconds' | 'leastIndexBytes' | 'now' | 'intake'

export type DoctorOptions = Omit<Patient, 'db' | 'pool' | Usual> &
  Partial<Pick<Patient, Usual>> & {
    /** Tests only. */
    examinations?: readonly Examination[]
    examinationMs?: number
  }

// A backup, an import or a report may hold the horizon for minutes without harm.
const usualPatienceSeconds = 300
// What it costs to rebuild a smaller index is more than what it wastes.
const usualLeastIndexBytes = 64 * 1_048_576
const usualExaminationMs = 10_000
// As many at a time, so that a server short of connections can spare them.
const connections = 4

/**
 * Looks at a live database and answers what is wrong with it. Never throws and never hangs: an examination that
 * fails or takes longer than 10 s is itself a finding, one that this role has no right to is listed as unseen.
 */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const examinedAt = new Date(options.now?.() ?? Date.now()).toISOString()
  const database = openDatabase({
    connection: options.directDatabase ?? options.database,
    applicationName: 'orderwheel-doctor',
    maxConnections: connections,
    statementTimeoutMs: options.examinationMs ?? usualExaminationMs,
    // A table that somebody has locked is one examination's, and must not keep the others from their turn.
    lockTimeoutMs: 2_000,
    // The statement that notices says so.
    onConnectionLost: () => {},
  })
  const patient: Patient = {
    patienceSeconds: usualPatienceSeconds,
    leastIndexBytes: usualLeastIndexBytes,
    now: Date.now,
    intake: intakeDefaults,
    ...options,
    db: database.db,
    pool: database.pool,
  }
  try {
    const unreachable = await findUnreachable(patient)
    if (unreachable) return { examinedAt, findings: [unreachable], well: [], unseen: [] }
    return { examinedAt, ...(await examineAll(patient, options)) }
  } finally {
    await database.close().catch(() => {})
  }
}

async function findUnreachable({ pool }: Patient): Promise<Finding | undefined> {
  try {
    await pool.query('select 1')
    return undefined
  } catch (error) {
    return {
      kind: 'database-unreachable',
      severity: 'error',
      what: `PostgreSQL does not answer: ${sayUnavailable(error)}.`,
      why: 'No order can be taken, and nobody is told anything, until it does.',
      fix: 'See that the server runs, and that DATABASE_URL (or DIRECT_DATABASE_URL) is right.',
    }
  }
}

async function examineAll(patient: Patient, options: DoctorOptions) {
  // A seventh more than a statement may take: the server's answer says more than ours.
  const withinMs = ((options.examinationMs ?? usualExaminationMs) * 8) / 7
  const all = options.examinations ?? examinations
  const examined = await inTurns(all, (examination) => examineOne(examination, patient, withinMs))
  return {
    findings: examined
      .flatMap(({ findings }) => findings)
      .toSorted((a, b) => a.severity.localeCompare(b.severity)),
    well: examined
      .filter(({ findings, unseen }) => findings.length === 0 && unseen === undefined)
      .map(({ subject }) => subject),
    unseen: examined.flatMap(({ subject, unseen }) =>
      unseen === undefined ? [] : [{ subject, reason: unseen }],
    ),
  }
}

/** As many at a time as there are connections: what waits for one is not late. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const waiting = items.entries()
  const turns = Array.from({ length: connections }, async () => {
    for (const [at, item] of waiting) results[at] = await work(item)
  })
  await Promise.all(turns)
  return results
}

async function examineOne(
  { subject, examine }: Examination,
  patient: Patient,
  withinMs: number,
): Promise<Examined & { subject: string }> {
  const ended = new AbortController()
  const late = setTimeout(withinMs, undefined, { signal: ended.signal, ref: false })
  try {
    const examined = await Promise.race([examine(patient), late])
    if (examined) return { subject, ...examined }
    return { subject, findings: [notExamined(subject, `it took more than ${withinMs / 1_000} s`)] }
  } catch (error) {
    if (isRefused(error)) return { subject, findings: [], unseen: sayUnavailable(error) }
    return { subject, findings: [notExamined(subject, sayUnavailable(error))] }
  } finally {
    ended.abort()
    late.catch(() => {})
  }
}

/** 42501: this role may not look at that. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '42501'
}

function notExamined(subject: string, reason: string): Finding {
  return {
    kind: 'not-examined',
    severity: 'warning',
    what: `It could not be found out: ${subject}. ${reason[0]?.toUpperCase()}${reason.slice(1).replace(/\.$/, '')}.`,
    why: 'A database that is not migrated, locked or busy to the point where looking at it fails may be ill in this as well.',
    fix: 'See the other findings, then what is going on: select pid, state, wait_event_type, wait_event, query from pg_stat_activity order by query_start;',
  }
}
