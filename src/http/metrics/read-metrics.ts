import { countOpenAlerts } from '#alerts/count-open-alerts.ts'
import type { Deployment } from '#base/deployment.ts'
import type { Db } from '#database/open-database.ts'
import type { IntakeGate } from '#http/orders/intake-gate.ts'
import { readOwner } from '#owner/read-owner.ts'
import { countUnknown } from '#payments/count-unknown.ts'
import { readStatus, type TargetStatus } from '#status/read-status.ts'
import { readLastVerification } from '#verify/read-verification.ts'

import type { OrderCounts } from './count-orders.ts'
import type { Metric, Sample } from './write-exposition.ts'

type Sources = {
  orders: OrderCounts
  intake: IntakeGate['report']
  deployment: Deployment
}

/** Everything /metrics tells; each name has a row in docs/metrics.md. */
export async function readMetrics(
  db: Db,
  { orders, intake, deployment }: Sources,
): Promise<Metric[]> {
  const { delivers } = await readOwner(db, deployment)
  const { at, relay, targets } = await readStatus(db)
  const last = await readLastVerification(db)
  const alerts = await countOpenAlerts(db)
  const unknown = await countUnknown(db)
  const age = last && Math.max(0, (at.getTime() - last.checkedAt.getTime()) / 1_000)
  const perTarget = (value: (target: TargetStatus) => number | null): Sample[] =>
    targets.map((target) => ({ labels: { target: target.target }, value: value(target) }))
  return [
    gauge(
      'delivers',
      '1: targets are called from this database; 0: by its owner marker they are not.',
      one(Number(delivers)),
    ),
    gauge('relay_messages', 'Messages not yet relayed.', one(relay.waiting)),
    gauge('relay_refused', 'Of those, the ones the relay cannot relay.', one(relay.refused)),
    gauge(
      'relay_lag_seconds',
      'Age of the oldest message not yet relayed.',
      one(relay.oldestSeconds ?? 0),
    ),
    gauge(
      'payments_unknown',
      'Orders of which it is not known whether they were charged.',
      one(unknown),
    ),
    gauge('target_deliveries', 'Open deliveries.', targets.flatMap(openOf)),
    gauge(
      'target_oldest_seconds',
      'Age of the oldest open delivery.',
      perTarget(({ oldestSeconds }) => oldestSeconds ?? 0),
    ),
    gauge(
      'target_dead_letters',
      'Dead letters nobody has decided on.',
      perTarget(({ deadLetters }) => deadLetters),
    ),
    {
      name: 'orderwheel_deliveries_shed_total',
      type: 'counter',
      help: 'Deliveries of a droppable target that were shed.',
      samples: perTarget(({ shed }) => shed),
    },
    gauge(
      'target_sheds',
      '1: so much is open for it that further deliveries are shed.',
      perTarget(({ shedsSince }) => Number(shedsSince !== null)),
    ),
    gauge(
      'target_delivered_last_minute',
      'Deliveries made in the last minute.',
      perTarget(({ deliveredPerMinute }) => deliveredPerMinute),
    ),
    gauge(
      'target_circuit_closed',
      '1: called as usual; 0: its circuit is open, probing or ramping.',
      perTarget(({ circuit }) => Number(circuit.state === 'closed')),
    ),
    gauge(
      'target_paused',
      '1: an operator has paused it.',
      perTarget(({ paused }) => Number(paused !== null)),
    ),
    gauge('verify_lost', 'What the last verification found lost.', one(last?.lost ?? null)),
    gauge('verify_stuck', 'What it found past its time.', one(last?.stuck ?? null)),
    gauge('verify_checked_orders', 'Orders it looked at.', one(last?.checked ?? null)),
    gauge('verify_age_seconds', 'Seconds since it ended.', one(age ?? null)),
    gauge(
      'alerts_open',
      'Alerts that are not over.',
      alerts.map(({ kind, open }) => ({ labels: { kind }, value: open })),
    ),
    {
      name: 'orderwheel_orders_total',
      type: 'counter',
      help: 'Orders sent to this process, by what became of them.',
      samples: Object.entries(orders).map(([answer, value]) => ({ labels: { answer }, value })),
    },
    gauge(
      'intake_closed',
      '1: this process takes no further orders, messages and reports, because too many messages wait to be relayed.',
      one(Number(intake().isClosed)),
    ),
    {
      name: 'orderwheel_intake_refused_total',
      type: 'counter',
      help: 'Orders and messages that this process refused for that.',
      samples: one(intake().refused),
    },
  ]
}

function gauge(name: string, help: string, samples: Sample[]): Metric {
  return { name: `orderwheel_${name}`, type: 'gauge', help, samples }
}

function one(value: number | null): Sample[] {
  return [{ value }]
}

function openOf(status: TargetStatus): Sample[] {
  return (['waiting', 'queued', 'active', 'retrying'] as const).map((state) => ({
    labels: { target: status.target, state },
    value: status[state],
  }))
}
