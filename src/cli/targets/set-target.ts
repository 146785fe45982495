import { setTimeout } from 'node:timers/promises'

import { printable, printableJson } from '#base/printable.ts'
import { usageError, type Context } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { readReason } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import type { Db } from '#database/open-database.ts'
import { leasedSlots } from '#limits/read-limits.ts'
import { type LimitsRequest, setLimits } from '#limits/set-limits.ts'
import type { Rate } from '#targets/target.ts'

import { unknownTarget } from './unknown-target.ts'

const name = 'targets'

type Given = {
  concurrency?: string
  rate?: string
  reason?: string
  'no-wait'?: boolean
  json: boolean
}

/** Sets a target's limits, and waits until calls that began under a higher concurrency have ended. */
export async function setTarget(
  target: string,
  given: Given,
  { environment, print, warn }: Context,
): Promise<number> {
  const request = readRequest(target, given)
  return withDatabase(environment, async ({ db }) => {
    const set = await setLimits(db, request)
    if (set.kind === 'unknown-target') throw await unknownTarget(db, target)
    const limits = set.kind === 'set' ? set.after : set.limits
    if (given.json) print(printableJson({ target, ...set }))
    else print(printable(set.kind === 'set' ? `${target}: ${set.words}` : `${target}: as it was.`))
    if (given['no-wait'] || request.concurrency === undefined) return 0
    return (await waitUntilItHolds(db, { target, allowed: limits.concurrency, warn })) ? 0 : 1
  })
}

function readRequest(target: string, given: Given): LimitsRequest {
  const { concurrency, rate } = given
  if (concurrency === undefined && rate === undefined)
    throw usageError(name, 'set needs --concurrency or --rate')
  return {
    target,
    who: operator(),
    reason: readReason(name, given.reason),
    ...(concurrency === undefined ? {} : { concurrency: readConcurrency(concurrency) }),
    ...(rate === undefined ? {} : { rate: readRate(rate) }),
  }
}

function readConcurrency(text: string): number | 'default' {
  if (text === 'default') return text
  const number = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= 1_000) return number
  const pause = text === '0' ? `; to call it not at all: orderwheel pause` : ''
  throw usageError(
    name,
    `--concurrency is "${text}": write a whole number from 1 to 1000, or default${pause}`,
  )
}

function readRate(text: string): Rate | 'none' | 'default' {
  if (text === 'none' || text === 'default') return text
  const [, calls, seconds] = /^(\d{1,7})\/(\d{1,5}(?:\.\d{1,3})?)$/.exec(text) ?? []
  const rate = { max: Number(calls), perSeconds: Number(seconds) }
  const fits =
    rate.max >= 1 && rate.max <= 1_000_000 && rate.perSeconds >= 0.1 && rate.perSeconds <= 86_400
  if (fits) return rate
  throw usageError(
    name,
    `--rate is "${text}": write calls/seconds, for example 10/1 (1 to 1000000 calls in 0.1 to 86400 seconds), none or default`,
  )
}

// Calls of slow targets take minutes; who lowers a limit wants to know soon whether to wait on.
const patienceSeconds = 60
const lookMs = 250

async function waitUntilItHolds(
  db: Db,
  { target, allowed, warn }: { target: string; allowed: number; warn: Context['warn'] },
): Promise<boolean> {
  const giveUpAt = performance.now() + patienceSeconds * 1_000
  let said: number | undefined
  for (;;) {
    const slots = await leasedSlots(db, target)
    if (slots <= allowed) {
      if (said !== undefined) warn(`${target}: at most ${allowed} calls at a time now.`)
      return true
    }
    if (performance.now() > giveUpAt) {
      warn(
        `${target}: up to ${slots} calls still run after ${patienceSeconds} s; none begins above ${allowed}.`,
      )
      return false
    }
    if (slots !== said)
      warn(`${target}: up to ${slots} calls still run, waiting until it is ${allowed} …`)
    said = slots
    await setTimeout(lookMs)
  }
}
