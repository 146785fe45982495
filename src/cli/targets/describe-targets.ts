import { printable } from '#base/printable.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import type { TargetLimits } from '#limits/read-limits.ts'
import { describeRate } from '#limits/set-limits.ts'

import { describeCircuit, describePause } from './describe-calling.ts'

/** A table of targets, and below it why one of them is not called as usual. `now` is the database's time. */
export function describeTargets(targets: readonly TargetLimits[], now: Date): string {
  if (targets.length === 0) return 'No targets yet: no worker or relay has started.'
  const head = [
    'target',
    'kind',
    'priority',
    'leased',
    'concurrency',
    'rate',
    'circuit',
    'paused',
    'shed',
  ]
  const rows = targets.map((target) => [
    target.target,
    target.kind,
    target.priority,
    target.slotsInUse,
    describeConcurrency(target),
    describeRateOf(target),
    describeCircuit(target.circuit, now),
    describePause(target.paused, now),
    target.maxOpen === null && target.shed === 0 ? '-' : target.shed,
  ])
  const reasons = targets.flatMap(describeReasons)
  return [formatTable([head, ...rows]), ...(reasons.length > 0 ? ['', ...reasons] : [])].join('\n')
}

function describeConcurrency({ concurrency, concurrencySet, configured }: TargetLimits): string {
  return concurrencySet ? `${concurrency} (default ${configured.concurrency})` : `${concurrency}`
}

function describeRateOf({ rate, rateSet, configured }: TargetLimits): string {
  const words = describeRate(rate)
  return rateSet ? `${words} (default ${describeRate(configured.rate)})` : words
}

function describeReasons({ target, circuit, paused, shedsSince, maxOpen }: TargetLimits): string[] {
  const lines = []
  if (shedsSince)
    lines.push(
      `${target}: sheds since ${formatTime(shedsSince)}: ${maxOpen ?? 'too many'} deliveries were open; further ones are not told until half as many are`,
    )
  if (circuit.state !== 'closed') {
    const probe = circuit.probeAt ? `, next probe ${formatTime(circuit.probeAt)}` : ''
    lines.push(
      `${target}: circuit ${circuit.state} since ${formatTime(circuit.since)}${probe}: ${circuit.reason ?? 'no reason given'}`,
    )
  }
  if (paused) {
    const until = paused.until ? ` until ${formatTime(paused.until)}` : ''
    lines.push(
      `${target}: paused by ${paused.by} since ${formatTime(paused.since)}${until}: ${paused.reason}`,
    )
  }
  return lines.map(printable)
}
