import { printable } from '#base/printable.ts'
import { formatDuration } from '#cli/format-duration.ts'
import { formatTime } from '#cli/format-time.ts'
import { explainFinding } from '#verify/explain-finding.ts'
import { findingKinds, type NamedFinding } from '#verify/finding.ts'
import type { Verification } from '#verify/read-verification.ts'

import type { Repairs } from './repair-findings.ts'

/** `0 lost, 1 000 checked`, or each case with what mends it. */
export function describeVerification(found: Verification, repairs?: Repairs): string {
  const { findings, counts } = found
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const more = all > findings.length ? [`… and ${number(all - findings.length)} more.`] : []
  const mended = repairs ? describeRepairs(repairs) : []
  return [...findings.map(describeFinding), ...more, ...mended, summarise(found)].join('\n')
}

function describeFinding(finding: NamedFinding): string {
  const { kind, order, message, target, since } = finding
  const subject = [
    order === null ? describeUnnamed(finding) : `order ${order}`,
    target,
    message && `(${message})`,
  ]
  const { what, mend } = explainFinding(finding)
  const time = since === null ? '' : ` since ${formatTime(since)}`
  const lines = [
    `${findingKinds[kind]}: ${subject.filter(Boolean).join(' ')}: ${what}, ${kind}${time}`,
    `  ${mend}`,
  ]
  return lines.map(printable).join('\n')
}

function describeUnnamed({ orderId, messageId }: NamedFinding): string | null {
  if (orderId !== null && orderId === messageId) return `message ${messageId}`
  return (orderId ?? messageId) && `order ${orderId ?? `of message ${messageId}`}`
}

function describeRepairs({ mended, gone, left, failed }: Repairs): string[] {
  const parts = [
    mended > 0 && `${number(mended)} mended`,
    gone > 0 && `${number(gone)} not there any more`,
    left > 0 && `${number(left)} left to a person`,
  ].filter(Boolean)
  return [
    ...(parts.length > 0 ? [`Repair: ${parts.join(', ')}.`] : []),
    ...failed.map((reason) => printable(`Not mended: ${reason}`)),
  ]
}

function summarise({ lost, stuck, disorders, checked, full, seconds }: Verification): string {
  const others = [
    stuck > 0 && `${number(stuck)} stuck`,
    disorders > 0 && `${number(disorders)} in disorder`,
  ].filter(Boolean)
  const scope = full ? 'everything' : 'what is open or new since the last time'
  return `${[`${number(lost)} lost`, ...others].join(', ')}, ${number(checked)} checked (${scope}, ${formatDuration(seconds)})`
}

function number(count: number): string {
  return count.toLocaleString('en')
}
