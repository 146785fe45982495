import { formatTime } from '#cli/format-time.ts'
import { describeCircuit, describePause } from '#cli/targets/describe-calling.ts'
import type { TargetLimits } from '#limits/read-limits.ts'
import type { DeliveryReport } from '#orders/happenings.ts'

import type { Subject } from './subject.ts'

type Calling = { at: Date; targets: readonly TargetLimits[] }

/** What is still to come of a delivery, and what somebody can do about it; '' when nothing is. */
export function describeRest(delivery: DeliveryReport, subject: Subject, calling: Calling): string {
  switch (delivery.state) {
    case 'waiting':
      return `waits for ${delivery.waitsFor.map((one) => describeInTheWay(one, subject)).join(', and for ')}`
    case 'queued':
      return `is queued${whyNotCalled(delivery.target, calling)}`
    case 'retrying': {
      const at = delivery.nextAttemptAt
      const when = at === null ? 'once its job is due' : `at ${formatTime(at)}`
      return `is tried again ${when}${whyNotCalled(delivery.target, calling)}`
    }
    case 'dead':
      return `is a dead letter${idOf(delivery)}: mend the cause, then ${command(subject, delivery.target, 'try-again')} (or --mark-delivered, or --skip --reason …)`
    case 'uncertain':
      return `is uncertain: it may have been told, and nobody knows. Look into ${delivery.target}, then ${command(subject, delivery.target, 'mark-delivered')} or ${command(subject, delivery.target, 'try-again')}`
    case 'shed':
      return `was shed: so much was open for ${delivery.target} that it was not told of this. To tell it all the same: orderwheel dead-letters replay --shed --target ${delivery.target}${orderOption(subject)}`
    case 'active':
    case 'delivered':
    case 'skipped':
    case 'cancelled':
      return ''
    default:
      return delivery.state satisfies never
  }
}

function idOf({ deadLetterId }: DeliveryReport): string {
  return deadLetterId === null ? '' : ` (${deadLetterId})`
}

/** Narrows to an order; a message about none is found by its target. */
function orderOption({ command }: Subject): string {
  const [, order] = /^orderwheel order (\S+)$/.exec(command) ?? []
  return order === undefined ? '' : ` --order ${order}`
}

function describeInTheWay(
  { target, messageId }: DeliveryReport['waitsFor'][number],
  subject: Subject,
): string {
  const inTheWay = subject.deliveries.find(
    (delivery) => delivery.target === target && delivery.message.id === messageId,
  )
  if (!inTheWay) return target
  const what = `${inTheWay.message.kind} to ${target}`
  if (inTheWay.state === 'dead')
    return `${what}, which is a dead letter: replay it with ${command(subject, target, 'try-again')}`
  if (inTheWay.state === 'uncertain')
    return `${what}, which is uncertain: decide with ${command(subject, target, 'mark-delivered')} or ${command(subject, target, 'try-again')}`
  return `${what} (${inTheWay.state})`
}

function command(subject: Subject, target: string, decision: string): string {
  return `${subject.command} --${decision} --target ${target}`
}

/** Its job may be due for long: an operator or the circuit keeps its target from being called. */
function whyNotCalled(name: string, { at, targets }: Calling): string {
  const target = targets.find((one) => one.target === name)
  if (target?.paused)
    return `; ${name} is ${describePause(target.paused, at)}: ${target.paused.reason}`
  if (target && target.circuit.state !== 'closed')
    return `; the circuit of ${name} is ${describeCircuit(target.circuit, at)}: ${target.circuit.reason ?? ''}`
  return ''
}
