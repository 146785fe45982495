import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { beginning } from './entry.ts'
import { examineLink, examineSubject, type Gone, type Link } from './examine-entry.ts'
import { findCut, findUnentered } from './find-unentered.ts'
import type { ChainFinding } from './finding.ts'
import { type EntryBeside, readEntries } from './read-entries.ts'
import { noExcuses, readExcuses } from './read-excuses.ts'

export type ChainReport = {
  /** Entries that were looked at, after `since`. */
  entries: number
  since: number
  /** The last entry: to be kept elsewhere, for `expect`. Null: there is none. */
  tip: { position: number; hash: string } | null
  /** What entries are about that is rightly not there, or not as it was: the chain says why. */
  gone: Record<Gone, number>
  /** Whether what was expected is in the chain; null: nothing was. */
  isExpectedThere: boolean | null
  found: number
  /** The first 100. */
  findings: ChainFinding[]
}

export type VerifyChain = {
  /** Only entries after this one, which is taken for right. Default 0: all. */
  since?: number
  /** A tip of earlier: its hash, and its position when that is known. Proves everything up to it as it was. */
  expect?: { hash: string; position: number | null }
  onProgress?: (entries: number, of: number) => void
}

const findingsShown = 100
const atATime = 2_000

/**
 * Walks the chain up to where it ends now, and compares each entry with what it is about. Memory does not depend on how
 * long it is; others may append meanwhile. Takes no locks.
 */
export async function verifyChain(db: Db, asked: VerifyChain = {}): Promise<ChainReport> {
  const { since = 0, expect, onProgress } = asked
  const report: ChainReport = {
    entries: 0,
    since,
    tip: null,
    gone: { 'records-removed': 0, 'records-masked': 0, 'orders-removed': 0, 'orders-forgotten': 0 },
    isExpectedThere: null,
    found: 0,
    findings: [],
  }
  const say = (findings: readonly ChainFinding[]) => {
    report.found += findings.length
    report.findings.push(...findings.slice(0, findingsShown - report.findings.length))
  }
  const until = await readEnd(db)
  let last = await readStart(db, since, say)
  let isExpectedThere = isExpected(expect, last)
  for (;;) {
    const entries = await readEntries(db, { after: last.position, until, limit: atATime })
    // Who deletes or forgets says so before they do it: what is read after the entries has it.
    const excuses = entries.some(needsExcuse) ? await readExcuses(db, entries) : noExcuses
    for (const entry of entries) {
      const link = { position: Number(entry.position), hash: entry.hash }
      say(examineLink(entry, last))
      const { finding, gone } = examineSubject(entry, excuses)
      if (finding) say([finding])
      if (gone) report.gone[gone] += 1
      isExpectedThere ||= isExpected(expect, link)
      last = link
    }
    report.entries += entries.length
    if (entries.length < atATime) break
    onProgress?.(report.entries, until - since)
  }
  for await (const findings of findUnentered(db)) say(findings)
  say(await findCut(db))
  if (last.position > 0) report.tip = last
  if (!expect) return report
  if (!isExpectedThere) say([expectedMissing(expect)])
  return { ...report, isExpectedThere }
}

async function readEnd(db: Db): Promise<number> {
  const { rows } = await sql<{ end: string | null }>`
    select max(position) as end from orderwheel.audit_chain`.execute(db)
  return Number(rows[0]?.end ?? 0)
}

async function readStart(
  db: Db,
  since: number,
  say: (findings: readonly ChainFinding[]) => void,
): Promise<Link> {
  if (since === 0) return { position: 0, hash: beginning }
  const { rows } = await sql<{ hash: string }>`
    select encode(hash, 'hex') as hash from orderwheel.audit_chain where position = ${since}`.execute(
    db,
  )
  const [start] = rows
  if (start) return { position: since, hash: start.hash }
  const what = `Entry ${since}, after which it should begin, is not there.`
  say([{ kind: 'entry-missing', position: since, record: null, what }])
  return { position: since, hash: beginning }
}

function needsExcuse({ kind, row, hasOrder }: EntryBeside): boolean {
  if (kind === 'masked' || kind === 'forgotten') return true
  return (kind === 'action' && row === null) || (kind === 'told' && !hasOrder)
}

function isExpected(expect: VerifyChain['expect'], { position, hash }: Link): boolean {
  if (!expect || hash !== expect.hash) return false
  return expect.position === null || expect.position === position
}

function expectedMissing({ hash, position }: NonNullable<VerifyChain['expect']>): ChainFinding {
  const where = position === null ? 'No entry' : `Entry ${position} is not there, or no entry`
  return {
    kind: 'expected-missing',
    position,
    record: null,
    what: `${where} has the hash ${hash}: what was entered up to it was rewritten or cut off.`,
  }
}
