import type { ChainReport } from '#audit/verify-chain.ts'
import { printable } from '#base/printable.ts'

/** What a verification of the audit chain came to, for people. */
export function describeChain(report: ChainReport): string {
  const { entries, since, tip, found, findings, isExpectedThere } = report
  const after = since === 0 ? '' : ` after ${since}`
  const result =
    found === 0
      ? `${count(entries, 'entry', 'entries')}${after}: all as they were entered.`
      : `${count(entries, 'entry', 'entries')}${after}: ${count(found, 'thing is', 'things are')} not as entered.`
  return [
    result,
    ...findings.map(({ what }) => `- ${printable(what)}`),
    ...(found > findings.length ? [`- and ${format(found - findings.length)} more`] : []),
    ...sayGone(report.gone),
    ...(isExpectedThere ? ['What was expected is there: nothing up to it was rewritten.'] : []),
    ...(tip
      ? [
          `The last entry: ${tip.position}:${tip.hash}`,
          'Keep that where nobody who may write to this database can: it is for --expect.',
        ]
      : ['There is no entry.']),
  ].join('\n')
}

function sayGone(gone: ChainReport['gone']): string[] {
  const { 'records-removed': removed, 'records-masked': masked } = gone
  const { 'orders-removed': orders, 'orders-forgotten': forgotten } = gone
  return [
    ...(removed > 0
      ? [
          `Not there any more, by retention: ${count(removed, 'record', 'records')} of what people did.`,
        ]
      : []),
    ...(masked > 0
      ? [
          `Texts taken by forgetting: from ${count(masked, 'record', 'records')} of what people did.`,
        ]
      : []),
    ...(orders > 0
      ? [`The order is not there any more, by retention: ${count(orders, 'entry', 'entries')}.`]
      : []),
    ...(forgotten > 0
      ? [`The person of the order was forgotten: ${count(forgotten, 'entry', 'entries')}.`]
      : []),
  ]
}

function count(number: number, one: string, many: string): string {
  return `${format(number)} ${number === 1 ? one : many}`
}

function format(number: number): string {
  return number.toLocaleString('en')
}
