import { keepAnswer } from '#targets/keep-answer.ts'
import type { Answer } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import { toldOf } from '#targets/target-kind.ts'
import type { Call, LookedUp, Target } from '#targets/target.ts'
import { withinDeadline } from '#targets/within-deadline.ts'

import type { BoundHttp } from './bind-http.ts'

/**
 * Asks the target whether it has what an earlier attempt was to tell it, when that attempt may have reached it:
 * true, it has; false, it has not and is told again. Anything else, thrown errors and a passed deadline included,
 * is no answer: it is asked again later. `http` sends no Idempotency-Key: a target that keeps keys would take the
 * question for the call, and then the call for a repetition.
 */
export type Lookup = (
  call: Omit<Call, 'standing'> & { http: BoundHttp },
) => Promise<boolean | { known: true; answer?: Answer } | undefined>

/** `Target.lookup` out of the option, when it was given; `bind` makes the `http` of one call. */
export function bindLookup(
  name: string,
  lookup: Lookup | undefined,
  bind: (call: Call) => BoundHttp,
): Pick<Target, 'lookup'> {
  if (!lookup) return {}
  return {
    lookup: (call) => {
      const ask = async () => {
        const { signal, file } = call
        const told = Object.assign(toldOf(call), { signal, file, http: bind(call) })
        return readLookedUp(name, await lookup(told))
      }
      return withinDeadline(ask().catch(explainThrown), call.signal, explainThrown)
    },
  }
}

function readLookedUp(name: string, said: unknown): LookedUp {
  if (said === false) return { kind: 'unknown' }
  if (said === true) return { kind: 'known' }
  if (said === undefined) return noAnswer(`targets.${name}.lookup did not say`)
  const known = typeof said === 'object' && said !== null && 'known' in said && said.known === true
  if (!known) {
    return noAnswer(
      `targets.${name}.lookup returned something else than true, false or { known: true }`,
    )
  }
  const answer = 'answer' in said ? said.answer : undefined
  return typeof answer === 'object' && answer !== null
    ? { kind: 'known', answer: keepAnswer(answer, 'delivered') }
    : { kind: 'known' }
}

function explainThrown(error: unknown): LookedUp {
  return noAnswer(storableReason(`lookup: ${reasonOf(error)}`))
}

function noAnswer(reason: string): LookedUp {
  return { kind: 'no-answer', reason }
}
