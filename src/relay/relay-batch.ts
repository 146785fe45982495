import { isAfterOrder } from '#database/id-bounds.ts'
import type { Db, Tx } from '#database/open-database.ts'
import { withdrawDeliveries, type Withdrawn } from '#deliveries/withdraw-deliveries.ts'
import { isMessageKind, type Routes } from '#messages/message-kinds.ts'
import { maxPayloadBytes, type OwnKinds } from '#messages/own-kinds.ts'
import { type Message, takeMessages } from '#outbox/take-messages.ts'
import { addJobs } from '#queues/jobs.ts'
import type { Boss } from '#queues/open-boss.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'
import type { Target } from '#targets/target.ts'

import type { SheddingChange } from '#limits/shedding.ts'

import { addDeliveries, type NewDelivery } from './add-deliveries.ts'
import type { Admitted, Shedder } from './shedder.ts'

export type RelayDeps = {
  db: Db
  boss: Boss
  targets: readonly Pick<
    Target,
    | 'name'
    | 'kind'
    | 'after'
    | 'afterOnly'
    | 'withdrawWhenCancelled'
    | 'hearsOfCancellation'
    | 'droppable'
  >[]
  routes: Routes
  /** Kinds of message that the configuration declares. */
  kinds: OwnKinds
  /** Absent: nothing is shed. */
  shedder?: Shedder
}

export type Relayed = {
  messages: number
  jobs: number
  targets: string[]
  /** Targets that began or ended to shed. */
  shedding: SheddingChange[]
}

/** A message that cannot be relayed as things are: it is refused, the others go on. */
class Unrelayable extends Error {}

/**
 * One pass, one transaction: takes up to `limit` messages (or the only one), writes a delivery for each routed target and
 * a job for each delivery that need not wait. All or nothing; throws when any message cannot be relayed.
 */
export async function relayBatch(
  deps: RelayDeps,
  take: { limit: number } | { only: string },
): Promise<Relayed> {
  return deps.db.transaction().execute(async (tx) => {
    const messages = await takeMessages(tx, take, { routes: deps.routes, payee: paymentTargetName })
    if (messages.length === 0) return { messages: 0, jobs: 0, targets: [], shedding: [] }
    const withdrawn = await withdraw(tx, messages, deps)
    const wanted = messages.flatMap((message) => fanOut(message, { ...deps, withdrawn }))
    const admitted = await deps.shedder?.admit(tx, countWanted(wanted))
    const deliveries = await addDeliveries(tx, markShed(wanted, admitted))
    const ready = deliveries.filter((delivery) => delivery.state === 'queued')
    const byTarget = Map.groupBy(ready, (delivery) => delivery.target)
    for (const [target, add] of byTarget) await addEveryJob(tx, deps.boss, { target, add })
    const targets = new Set([...byTarget.keys(), ...withdrawn.released])
    const shedding = (await admitted?.record()) ?? []
    return { messages: messages.length, jobs: ready.length, targets: [...targets], shedding }
  })
}

function withdraw(
  tx: Tx,
  messages: readonly Message[],
  { boss, targets }: RelayDeps,
): Promise<Withdrawn> {
  const cancelled = messages.filter(({ kind }) => kind === 'order.cancelled')
  return withdrawDeliveries(tx, boss, {
    cancelled: cancelled.map(({ orderId }) => orderId),
    targets: targets.filter((one) => one.withdrawWhenCancelled).map(({ name }) => name),
    // What a function of the configuration came to says nothing of what it did.
    evenTried: targets
      .filter((one) => one.kind !== 'custom' || one.hearsOfCancellation)
      .map(({ name }) => name),
    byMail: targets.filter((one) => one.kind === 'email').map(({ name }) => name),
    evenDead: targets.filter((one) => one.hearsOfCancellation).map(({ name }) => name),
    orderIds: messages.map(({ orderId }) => orderId),
  })
}

function fanOut(
  message: Message,
  { routes, targets, kinds, withdrawn }: RelayDeps & { withdrawn: Withdrawn },
): NewDelivery[] {
  const { id, position, orderId, kind } = message
  if (!isMessageKind(kind)) refuseWrong(message, kinds)
  // Nobody would find it among what happened to the order.
  if (!isAfterOrder(id, orderId))
    throw new Unrelayable(
      `Message ${id}: by its id, it happened more than a day before its order was made.`,
    )
  refuseUnpaid(message)
  const routed = routesOf(message, routes)
  return routed.map((name) => {
    const target = targets.find((candidate) => candidate.name === name)
    if (!target) throw new Unrelayable(`Message ${id}: route to unknown target ${name}.`)
    // A target that is not told of this kind of message is not waited for.
    const waits = !target.afterOnly || target.afterOnly.some((one) => one === kind)
    const after = waits ? target.after.filter((earlier) => routed.includes(earlier)) : []
    const isOver = kind === 'order.cancelled' && !target.hearsOfCancellation
    const isWithdrawn = isOver && withdrawn.has(orderId, name)
    return {
      messageId: id,
      position,
      orderId,
      kind,
      target: name,
      after,
      withdrawn: isWithdrawn,
      shed: false,
    }
  })
}

function countWanted(deliveries: readonly NewDelivery[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { target, withdrawn } of deliveries)
    if (!withdrawn) counts.set(target, (counts.get(target) ?? 0) + 1)
  return counts
}

/** The first of each target are told: what happened earlier is. */
function markShed(deliveries: NewDelivery[], admitted: Admitted | undefined): NewDelivery[] {
  if (!admitted || admitted.told.size === 0) return deliveries
  const left = new Map(admitted.told)
  return deliveries.map((delivery) => {
    const room = delivery.withdrawn ? undefined : left.get(delivery.target)
    if (room === undefined) return delivery
    left.set(delivery.target, room - 1)
    return room > 0 ? delivery : { ...delivery, shed: true }
  })
}

/** What is not told of an order that was not paid here. */
function refuseUnpaid({ id, kind, payment }: Message): void {
  if (payment === 'pending')
    throw new Unrelayable(`Message ${id}: it is not known yet whether its order was paid.`)
  if (payment === 'declined' && kind !== 'order.cancelled')
    throw new Unrelayable(`Message ${id}: its order's payment was declined, nobody is told of it.`)
}

// Nobody else was told of the order.
function routesOf({ kind, payment, isUnplaced }: Message, routes: Routes): readonly string[] {
  const routed = routes[kind] ?? []
  if (!isUnplaced) return routed
  return payment === 'declined' ? [] : routed.filter((name) => name === paymentTargetName)
}

// Whoever inserts a row by SQL is asked by nobody else.
function refuseWrong({ id, kind, payload, isTooLarge }: Message, kinds: OwnKinds): void {
  const own = kinds.get(kind)
  if (!own)
    throw new Unrelayable(
      `Message ${id}: unknown kind ${kind}. Declare it in messages of the configuration, or deploy a version that knows it.`,
    )
  if (isTooLarge)
    throw new Unrelayable(`Message ${id}: its payload is larger than ${maxPayloadBytes} bytes.`)
  const mistakes = own.findMistakes(payload)
  if (mistakes.length === 0) return
  const said = mistakes.slice(0, 5).map(({ pointer, detail }) => `${pointer || 'it'} ${detail}`)
  throw new Unrelayable(
    `Message ${id}: its payload is not what ${kind} has to be: ${said.join('; ')}.`,
  )
}

// pg-boss's insert skips conflicting jobs without a word: a delivery without a job would never be told.
async function addEveryJob(
  tx: Tx,
  boss: Boss,
  { target, add }: { target: string; add: NewDelivery[] },
): Promise<void> {
  const inserted = new Set(await addJobs(tx, boss, { queue: target, add }))
  const missing = add.filter((delivery) => !inserted.has(delivery.messageId))
  if (missing.length > 0) {
    const ids = missing.slice(0, 5).map((delivery) => delivery.messageId)
    throw new Unrelayable(
      `Queue ${target} already holds a job for ${missing.length} of ${add.length} messages, first ${ids.join(', ')}.`,
    )
  }
}
