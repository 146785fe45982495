import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import { suggestName } from '#base/suggest-name.ts'
import { usageError, type Context } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { withQueues } from '#cli/with-queues.ts'
import type { Db } from '#database/open-database.ts'
import { decideDelivery } from '#deliveries/decide-delivery.ts'
import { type Decided, type Decision, isUndecided } from '#deliveries/decision.ts'
import type { DeliveryReport } from '#orders/happenings.ts'

import type { Subject } from './subject.ts'

type Given = {
  /** Throws `not-found`. */
  find: (db: Db) => Promise<Subject>
  decision: Decision
  target: string | undefined
  reason: string | null
  json: boolean
}

/** Carries out what the operator decided about one delivery. Answers the exit code. */
export async function decideOrder(
  { find, decision, target, reason, json }: Given,
  { environment, print, warn }: Context,
): Promise<number> {
  return withQueues(environment, async (queues) => {
    const subject = await find(queues.db)
    const delivery = choose(subject, target)
    if (typeof delivery === 'string') {
      warn(delivery)
      return 1
    }
    const request = { messageId: delivery.message.id, target: delivery.target, decision }
    const decided = await decideDelivery(queues, { ...request, who: operator(), reason })
    if (decided.kind === 'refused') {
      warn(`${describe(delivery, subject)} is ${decided.state ?? 'gone'} by now: somebody decided.`)
      return 1
    }
    print(
      json
        ? printableJson({ ...about(subject), ...request, ...decided })
        : printable(`${describe(delivery, subject)} ${done(decided)}`),
    )
    return 0
  })
}

/** The delivery that is meant, or a sentence that says why there is nothing to decide. */
function choose(subject: Subject, target: string | undefined): DeliveryReport | string {
  const meant = subject.deliveries.filter((one) => target === undefined || one.target === target)
  if (target !== undefined && meant.length === 0) throw noSuchDelivery(subject, target)
  // The earliest of a target: its later messages wait for it.
  const [first, ...others] = meant.filter(({ state }) => isUndecided(state))
  if (!first) return nothingToDecide(subject, meant)
  const several = [first, ...others]
  if (new Set(several.map((one) => one.target)).size === 1) return first
  throw usageError(
    subject.command.split(' ')[1] ?? 'order',
    `${subject.name} has ${several.length} deliveries to decide on: ${listStates(several)}. Say which with --target`,
  )
}

function noSuchDelivery({ name, deliveries }: Subject, target: string): OrderwheelError {
  const names = [...new Set(deliveries.map((one) => one.target))]
  const meant = suggestName(target, names) || `; there are ${names.join(', ') || 'none yet'}`
  return new OrderwheelError(
    'not-found',
    `${capital(name)} has no delivery to "${target}"${meant}${meant.endsWith('?') ? '' : '.'}`,
  )
}

function nothingToDecide({ name }: Subject, meant: readonly DeliveryReport[]): string {
  if (meant.length === 0) return `${capital(name)} has no deliveries yet.`
  return `There is nothing to decide about ${name}: ${listStates(meant)}.`
}

/** `{ order: 'WEB-10042' }`. */
function about({ name }: Subject): Record<string, string> {
  const [what = '', which = ''] = name.split(' ')
  return { [what]: which }
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

function listStates(deliveries: readonly DeliveryReport[]): string {
  return deliveries
    .map(({ target, message, state }) => `${target} (${message.kind}) is ${state}`)
    .join(', ')
}

function describe({ target, message }: DeliveryReport, { name }: Subject): string {
  return `${target} (${message.kind}) of ${name}`
}

function done({ state, released }: Extract<Decided, { kind: 'decided' }>): string {
  switch (state) {
    case 'queued':
      return 'is queued again, with all its attempts.'
    case 'delivered':
      return `is marked as delivered. ${describeReleased(released)}`
    case 'skipped':
      return `is skipped. ${describeReleased(released)}`
    default:
      return state satisfies never
  }
}

function describeReleased(released: readonly { target: string; kind: string }[]): string {
  if (released.length === 0) return 'Nothing else had waited for it alone.'
  return `Released: ${released.map(({ target, kind }) => `${target} (${kind})`).join(', ')}.`
}
