import { nextNumber, type SimulatedAnswer } from './usual-answer.ts'
import type { Wait } from './wait.ts'

/** A call as a target that keeps a state needs it. `body`: parsed, undefined when it is not JSON. */
export type PlayedCall = {
  method: string
  /** Without the target's name and the query: `/charges`. */
  path: string
  key: string | undefined
  body: unknown
}

/** Null: it acted and never answers. */
export type Played = SimulatedAnswer | null

type Charge = {
  id: string
  key: string
  status: 'captured' | 'authorized' | 'declined' | 'voided' | 'refunded'
  amount: number
  currency: string
}

/** Of the tokens of the documentation, those that do more than approve. */
const slowToken = 'tok_slow'
const timeoutToken = 'tok_timeout_after_charge'
const failingToken = 'tok_500_after_charge'
const knownTokens = ['tok_approve', slowToken, timeoutToken, failingToken]

/** On top of the usual 800 ms: a buyer who waits for 4 s is below the usual deadline of 5. */
const slowMs = 3_200

// A day of a large benchmark.
const maxCharges = 100_000

/**
 * Plays a card gateway: `POST /charges {token, amount, currency, capture}`, `/captures`, `/voids` and `/refunds
 * {charge}`, and `GET /charges` and `/charges/<idempotency key>`. It honours keys as a good gateway does: the same key is
 * the same charge, whatever was answered the first time.
 */
export function createCardGateway(wait: Wait): (call: PlayedCall) => Promise<Played> {
  const charges = new Map<string, Charge>()
  const changes = new Map<string, SimulatedAnswer>()

  return async function play(call) {
    const { method, path, key } = call
    if (method === 'GET' && path === '/charges') return { status: 200, body: [...charges.values()] }
    if (method === 'GET' && path.startsWith('/charges/'))
      return find(path.slice('/charges/'.length))
    if (method !== 'POST') return refuse(405, 'method_not_allowed')
    if (!key) return refuse(400, 'idempotency_key_required')
    if (path === '/charges') return charge(call.body, key)
    const change = changesByPath.get(path)
    return change ? once(key, () => apply(change, call.body)) : refuse(404, 'not_found')
  }

  function find(key: string): SimulatedAnswer {
    const found = charges.get(decodeURIComponent(key))
    return found ? { status: 200, body: found } : refuse(404, 'no_such_charge')
  }

  async function charge(body: unknown, key: string): Promise<Played> {
    const known = charges.get(key)
    if (known) return answerOf(known)
    const { token, amount, currency, capture } = membersOf(body)
    if (typeof token !== 'string' || typeof amount !== 'number' || typeof currency !== 'string')
      return refuse(400, 'token_amount_and_currency_required')
    if (token === slowToken) await wait({ latencyMs: slowMs, jitterMs: 0 })
    const made: Charge = {
      id: `ch_${nextNumber()}`,
      key,
      status: statusOf(token, capture),
      amount,
      currency,
    }
    keep(charges, key, made)
    if (token === timeoutToken) return null
    return token === failingToken ? refuse(500, 'internal_error') : answerOf(made)
  }

  function once(key: string, act: () => SimulatedAnswer): SimulatedAnswer {
    const before = changes.get(key)
    if (before) return before
    const answer = act()
    if (answer.status < 300) keep(changes, key, answer)
    return answer
  }

  function apply(change: ChangeOfCharge, body: unknown): SimulatedAnswer {
    const { charge: id } = membersOf(body)
    const found = [...charges.values()].find((one) => one.id === id)
    if (!found) return refuse(404, 'no_such_charge')
    if (found.status !== change.from) return refuse(409, `charge_is_${found.status}`)
    found.status = change.to
    return { status: 201, body: { ...found } }
  }
}

type ChangeOfCharge = { from: Charge['status']; to: Charge['status'] }

const changesByPath = new Map<string, ChangeOfCharge>([
  ['/captures', { from: 'authorized', to: 'captured' }],
  ['/voids', { from: 'authorized', to: 'voided' }],
  ['/refunds', { from: 'captured', to: 'refunded' }],
])

function statusOf(token: string, capture: unknown): Charge['status'] {
  // A token nobody issued: who misspells tok_decline should not think that it was approved.
  if (!knownTokens.includes(token)) return 'declined'
  return capture === false ? 'authorized' : 'captured'
}

function answerOf(charge: Charge): SimulatedAnswer {
  return charge.status === 'declined'
    ? { status: 402, body: { error: { code: 'card_declined', message: 'insufficient funds' } } }
    : { status: 201, body: charge }
}

function refuse(status: number, code: string): SimulatedAnswer {
  return { status, body: { error: { code } } }
}

function keep<Value>(kept: Map<string, Value>, key: string, value: Value): void {
  kept.set(key, value)
  const [oldest] = kept.size > maxCharges ? kept.keys() : []
  if (oldest !== undefined) kept.delete(oldest)
}

function membersOf(body: unknown): Record<string, unknown> {
  return typeof body === 'object' && body !== null ? { ...body } : {}
}
