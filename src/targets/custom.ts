import { Type, type Static } from 'typebox'

import { bindHttp, RequestFailed, type BoundHttp } from '#targets/http/bind-http.ts'
import { explainMissingAnswer } from '#targets/http/explain-exchange.ts'
import { bindLookup, type Lookup } from '#targets/http/lookup.ts'
import { openAgent } from '#targets/http/open-agent.ts'

import { keepThrown } from './keep-thrown.ts'
import { NoOrder } from './no-order.ts'
import { delivered, giveUp, tryAgain, uncertain, type Outcome } from './outcome.ts'
import { readOutcome, storableReason } from './read-outcome.ts'
import { reasonOf } from './reason-of.ts'
import { kindOfTarget, toldOf, type FromEnvironment, type TargetDefinition } from './target-kind.ts'
import { commonOptions, fillTargetOptions } from './target-options.ts'
import type { Call } from './target.ts'
import { withinDeadline } from './within-deadline.ts'

/**
 * What a custom target does. Nothing returned is *delivered*; thrown is *try again* with the error's
 * message (see `reasonOf`), but *uncertain* after `signal` has aborted, and when it is `http`'s own error for a request
 * that was sent and not answered.
 */
export type Tell = (call: Omit<Call, 'standing'> & { http: BoundHttp }) => Promise<Outcome | void>

const CustomOptions = Type.Object(
  {
    tell: Type.Unsafe<Tell>({ type: 'function' }),
    lookup: Type.Optional(
      Type.Unsafe<Lookup>({
        type: 'function',
        description: 'Asks whether the target has what an unanswered call may have told it.',
      }),
    ),
    ...commonOptions,
  },
  { additionalProperties: false },
)

export type CustomOptions = FromEnvironment<Omit<Static<typeof CustomOptions>, 'tell'>>

/** A target told by a function. It must end soon after `signal` aborts: it is not waited for longer. */
export function custom(tell: Tell, options: CustomOptions = {}): TargetDefinition {
  return { kind: 'custom', options: { ...options, tell } }
}

export const customKind = kindOfTarget({
  schema: CustomOptions,
  findMistakes: () => [],
  create(name, options) {
    const target = fillTargetOptions(options)
    const agent = openAgent(target)
    return {
      ...target,
      name,
      kind: 'custom',
      call: async (call) => {
        const http = bindHttp(agent, call)
        const tell = async () =>
          judge(
            name,
            await options.tell(
              Object.assign(toldOf(call), { signal: call.signal, file: call.file, http }),
            ),
          )
        const outcome = tell().catch((error: unknown) => explainThrown(error, call.signal))
        // A function that does not look at its signal may have acted or may still: nobody knows.
        return withinDeadline(outcome, call.signal, (reason) =>
          uncertain(`did not end: ${reasonOf(reason)}`),
        )
      },
      ...bindLookup(name, options.lookup, ({ signal }) => bindHttp(agent, { signal })),
      close: () => agent.destroy(),
    }
  },
})

function judge(name: string, said: unknown): Outcome {
  if (said === undefined) return delivered()
  // What it did cannot be told from this; doing it again would say the same.
  return readOutcome(said) ?? giveUp(`targets.${name} returned something else than an outcome`)
}

function explainThrown(error: unknown, signal: AbortSignal): Outcome {
  if (error instanceof NoOrder) return giveUp(storableReason(error.message))
  if (error instanceof RequestFailed) return explainMissingAnswer(error.exchange)
  // Most likely a request of its own that the signal ended: sent or not, nobody knows.
  if (signal.aborted) return uncertain(storableReason(`did not end: ${reasonOf(error)}`))
  const thrown = keepThrown(error)
  return tryAgain(storableReason(reasonOf(error)), thrown && { answer: thrown })
}
