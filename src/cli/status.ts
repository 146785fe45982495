import { printable, printableJson } from '#base/printable.ts'
import { describeCircuit, describePause } from '#cli/targets/describe-calling.ts'
import { readOwner } from '#owner/read-owner.ts'
import { readStatus, type Precision, type Status, type TargetStatus } from '#status/read-status.ts'

import { defineCommand } from './command.ts'
import { formatDuration } from './format-duration.ts'
import { formatTable } from './format-table.ts'
import { withDatabase } from './with-database.ts'

export const status = defineCommand({
  name: 'status',
  summary:
    'Shows what is open for each target, whether it is called, and how far behind the relay is',
  usage: '[--json]',
  options: { json: { type: 'boolean', summary: 'For programs' } },
  async run({ values }, { environment, print }) {
    const found = await withDatabase(environment, async ({ db }) => {
      const { delivers, reason } = await readOwner(db, environment.deployment)
      return { ...(await readStatus(db)), delivery: { delivers, reason } }
    })
    const { delivers, reason } = found.delivery
    if (values.json) print(printableJson(found))
    else print(delivers ? describe(found) : `${printable(reason)}\n\n${describe(found)}`)
    return 0
  },
})

function describe({ at, relay, targets }: Status): string {
  const oldest =
    relay.oldestSeconds === null ? '' : `, oldest ${formatDuration(relay.oldestSeconds)}`
  const refused = relay.refused === 0 ? '' : `, ${relay.refused} refused: see orderwheel.outbox`
  const relayLine = `Relay: ${formatCount(relay.waiting, relay.isEstimated ? 'estimated' : 'exact')} waiting${oldest}${refused}`
  if (targets.length === 0) return `${relayLine}\n\nNo targets yet: no worker or relay has started.`
  const head = [
    'target',
    'waiting',
    'queued',
    'active',
    'retrying',
    'delivered/min',
    'oldest',
    'dead letters',
    'shed',
    'circuit',
    'paused',
  ]
  const rows = targets.map((target) => [
    target.target,
    formatCount(target.waiting, target.openCounts),
    formatCount(target.queued, target.openCounts),
    formatCount(target.active, target.openCounts),
    formatCount(target.retrying, target.openCounts),
    target.deliveredPerMinute,
    target.oldestSeconds === null ? '-' : formatDuration(target.oldestSeconds),
    formatCount(target.deadLetters, target.deadLetterCounts),
    describeShed(target),
    describeCircuit(target.circuit, at),
    describePause(target.paused, at),
  ])
  return `${relayLine}\n\n${formatTable([head, ...rows])}`
}

function describeShed({ shed, shedsSince }: TargetStatus): string {
  return shedsSince === null ? String(shed) : `${shed}, sheds`
}

/** `7`; `~1 000 000` as a worker last counted; `10 001+` when none has. */
function formatCount(count: number, precision: Precision): number | string {
  const digits = String(count).replaceAll(/\B(?=(\d{3})+$)/g, ' ')
  switch (precision) {
    case 'exact':
      return count
    case 'estimated':
      return `~${digits}`
    case 'at-least':
      return `${digits}+`
    default:
      return precision satisfies never
  }
}
