import { digestOf, type Entry, hashEntry } from './entry.ts'
import type { ChainFinding, ChainFindingKind } from './finding.ts'
import type { EntryBeside } from './read-entries.ts'
import { type Excuses, isWhileForgetting } from './read-excuses.ts'
import { leastHours } from './read-removals.ts'

/** Where the walk is: what the next entry has to be. */
export type Link = { position: number; hash: string }

/** What is wrong with an entry itself, and with its place after `last`. */
export function examineLink(entry: Entry, last: Link): ChainFinding[] {
  const position = Number(entry.position)
  const found: ChainFinding[] = []
  const say = (kind: ChainFindingKind, what: string) =>
    found.push({ kind, position, record: entry.record, what })
  const missing = position - last.position - 1
  if (missing === 1) say('entry-missing', `Entry ${position - 1} is missing.`)
  if (missing > 1)
    say('entry-missing', `Entries ${last.position + 1} to ${position - 1} are missing.`)
  if (hashEntry(entry) !== entry.hash)
    say('entry-changed', `Entry ${position} (${entry.kind}) was changed: its hash is not its own.`)
  if (missing === 0 && entry.previous !== last.hash)
    say('chain-broken', `Entry ${position} does not continue entry ${last.position}.`)
  return found
}

export type Gone = 'records-removed' | 'records-masked' | 'orders-removed' | 'orders-forgotten'

/** What an entry is about, beside what the entry says of it. `gone`: rightly so, and said in the chain. */
export function examineSubject(
  entry: EntryBeside,
  excuses: Excuses,
): { finding?: ChainFinding; gone?: Gone } {
  switch (entry.kind) {
    case 'action':
    case 'masked':
      return examineRecord(entry, excuses)
    case 'told':
    case 'forgotten':
      return examineOrder(entry, excuses)
    case 'removed':
      return examineRemoval(entry)
    default:
      return {}
  }
}

function examineRecord(entry: EntryBeside, excuses: Excuses): ReturnType<typeof examineSubject> {
  const { records } = excuses
  const name = `Record ${entry.record} of audit_log`
  if (entry.kind === 'masked' && !isWhileForgetting(entry, excuses))
    return finding(
      entry,
      'record-changed',
      `${name} was changed under the name of forgetting, when nobody was being forgotten.`,
    )
  const kept = textOf(entry, 'kept')
  if (entry.isMaskedLater) {
    if (kept !== undefined && kept !== entry.keptLater)
      return finding(
        entry,
        'record-changed',
        `${name} was changed in more than forgetting changes: who did what to what, or when.`,
      )
    return entry.kind === 'action' ? { gone: 'records-masked' } : {}
  }
  if (entry.row === null) {
    const { doneAt } = entry
    const isRemoved = records !== null && doneAt !== null && doneAt <= records
    // Those that forgetting changed before were counted with their action.
    if (isRemoved) return entry.kind === 'action' ? { gone: 'records-removed' } : {}
    return finding(entry, 'record-removed', `${name}, entered at ${entry.at}, was removed.`)
  }
  const isKept = kept === undefined || kept === digestOf([entry.keptSalt, ...entry.row.slice(1, 6)])
  if (isKept && digestOf(entry.row) === entry.digest) return {}
  const [, , at, who, action] = entry.row
  return finding(
    entry,
    'record-changed',
    `${name} (now: ${action} by ${who} at ${at}) was changed after it was entered.`,
  )
}

function examineOrder(entry: EntryBeside, excuses: Excuses): ReturnType<typeof examineSubject> {
  const { orders } = excuses
  const { hasOrder, hasSalt, orderMadeAt, isForgottenLater } = entry
  const isTold = entry.kind === 'told'
  // A message about no order: that it was told is all there is.
  if (isTold && entry.record === null) return {}
  const name = `Order ${externalIdOf(entry) ?? entry.record}`
  if (!hasOrder) {
    const isRemoved = orders !== null && orderMadeAt !== null && orderMadeAt < orders
    if (isRemoved) return isTold ? { gone: 'orders-removed' } : {}
    return finding(entry, 'order-removed', `${name} was removed.`)
  }
  if (isTold && isForgottenLater) {
    if (entry.isAsTold) return { gone: 'orders-forgotten' }
    const what = `${name} is not what ${textOf(entry, 'target')} was told: forgetting changes neither its number nor its total or currency.`
    return finding(entry, 'order-changed', what)
  }
  if (!isTold && !(entry.isForgotten && isWhileForgetting(entry, excuses)))
    return finding(
      entry,
      'order-changed',
      `${name} was changed under the name of forgetting, when nobody was being forgotten.`,
    )
  if (isTold && !hasSalt)
    return finding(
      entry,
      'salt-removed',
      `${name} cannot be compared with what was told: its salt was removed.`,
    )
  if (entry.documentDigest !== entry.digest)
    return finding(
      entry,
      'order-changed',
      isTold
        ? `${name} is not what ${textOf(entry, 'target')} was told.`
        : `What forgetting left of order ${entry.record} was changed.`,
    )
  if (entry.payloadDigest !== null && entry.payloadDigest !== textOf(entry, 'payload'))
    return finding(
      entry,
      'order-changed',
      `The payload of message ${textOf(entry, 'message')} of ${name.toLowerCase()} is not what ${textOf(entry, 'target')} was told.`,
    )
  return {}
}

function examineRemoval(entry: EntryBeside): ReturnType<typeof examineSubject> {
  const until = Date.parse(textOf(entry, 'until') ?? '')
  if (until <= Date.parse(entry.at) - leastHours * 3_600_000) return {}
  return finding(
    entry,
    'removal-too-young',
    `Entry ${entry.position} says that the retention deleted what was less than a day old: no retention does.`,
  )
}

function finding(
  { position, record }: Entry,
  kind: ChainFindingKind,
  what: string,
): { finding: ChainFinding } {
  return { finding: { kind, position: Number(position), record, what } }
}

function externalIdOf(entry: Entry): string | undefined {
  return textOf(entry, 'externalId')
}

function textOf({ details }: Entry, member: string): string | undefined {
  const value = (JSON.parse(details) as Record<string, unknown> | null)?.[member]
  return typeof value === 'string' ? value : undefined
}
