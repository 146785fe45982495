import { Type, type Static } from 'typebox'

import { keepAnswer } from '#targets/keep-answer.ts'
import { keepValue } from '#targets/keep-value.ts'
import { giveUp, type Outcome } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import {
  kindOfTarget,
  toldOf,
  type FromEnvironment,
  type TargetDefinition,
  type Told,
} from '#targets/target-kind.ts'
import { commonOptions, fillTargetOptions } from '#targets/target-options.ts'

import { bindTargetHttp } from './bind-target-http.ts'
import { classifyAnswer } from './classify-answer.ts'
import { readBody } from './edit-request.ts'
import { explainMissingAnswer } from './explain-exchange.ts'
import { findUrlMistakes } from './find-url-mistakes.ts'
import { bindLookup, type Lookup } from './lookup.ts'
import { mapRequest, runMapping, UnusableMapping } from './map-request.ts'
import { openAgent } from './open-agent.ts'
import { originOf } from './origin-of.ts'
import { readAnswered } from './read-answered.ts'
import { sendRequest, type Exchange, type HttpAnswer } from './send-request.ts'
import { writeRequest } from './write-request.ts'

const Text = Type.Union([Type.String(), Type.Unsafe<(told: Told) => string>({ type: 'function' })])
const Headers = Type.Union([
  Type.Record(Type.String(), Text),
  Type.Unsafe<(told: Told) => Record<string, string>>({ type: 'function' }),
])

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
type Method = (typeof methods)[number]

const HttpOptions = Type.Object(
  {
    url: Type.String({ description: 'Where the request goes. Credentials in it become Basic.' }),
    /** Added to the url: `/orders/eid:WEB-10042`. */
    path: Type.Optional(Text),
    method: Type.Optional(Type.Unsafe<Method>({ enum: methods })),
    headers: Type.Optional(Headers),
    body: Type.Optional(
      Type.Unsafe<unknown>({
        description:
          'A value or a function. A string or bytes go as they are, everything else as JSON, ' +
          'null sends none. Left out: {message, order}.',
      }),
    ),
    answer: Type.Optional(
      Type.Unsafe<(answer: HttpAnswer) => Outcome | undefined>({
        type: 'function',
        description: 'Says what an answer means; undefined leaves it to the status.',
      }),
    ),
    when: Type.Optional(
      Type.Unsafe<(told: Told) => boolean>({
        type: 'function',
        description: 'Whether there is anything to tell of this order; false: nothing is sent.',
      }),
    ),
    keep: Type.Optional(
      Type.Unsafe<(answer: HttpAnswer) => unknown>({
        type: 'function',
        description:
          'Picks what later targets are given of an answer, at most 16 KiB of JSON. Left out: the answer itself, ' +
          'when it is JSON of at most 4 KiB.',
      }),
    ),
    lookup: Type.Optional(
      Type.Unsafe<Lookup>({
        type: 'function',
        description:
          'Asks whether the target has what an unanswered call may have told it. A url of its http that ' +
          'starts with / is added to `url` and goes with `headers`.',
      }),
    ),
    ...commonOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof HttpOptions>

/** `body` with what its function is given; the schema alone cannot say that it may be one. */
export type HttpOptions = FromEnvironment<Omit<Options, 'body'>> & {
  body?: ((told: Told) => unknown) | string | object | null
}

/**
 * A target told by one HTTP request. `Idempotency-Key` is always sent; redirects are never followed; of an
 * answer, 64 KiB are read. 2xx is delivered, 408, 425, 429 and 5xx are tried again (not before
 * `Retry-After`, at most an hour), everything else is given up, unless `answer` says otherwise.
 */
export function http(options: HttpOptions): TargetDefinition {
  return { kind: 'http', options }
}

export const httpKind = kindOfTarget({
  schema: HttpOptions,
  findMistakes: ({ url }) => findUrlMistakes('url', url),
  create(name, options) {
    const target = fillTargetOptions(options)
    const agent = openAgent(target)
    return {
      ...target,
      name,
      kind: 'http',
      call: async (call) => {
        try {
          if (!call.edited && !isWanted(name, options, toldOf(call))) return nothingToTell
          const request = mapRequest(name, options, { told: toldOf(call), edited: call.edited })
          return judge(name, options, await sendRequest(agent, request, call.signal))
        } catch (error) {
          // The same order gives the same mistake: repeating it would not help.
          if (error instanceof UnusableMapping) return giveUp(storableReason(error.message))
          throw error
        }
      },
      address: originOf(options.url),
      editing: {
        write: async (told, edited) =>
          writeRequest(name, () => mapRequest(name, options, { told, edited })),
        read: readBody,
      },
      ...bindLookup(name, options.lookup, (call) => bindTargetHttp(agent, name, options, call)),
      close: () => agent.destroy(),
    }
  },
})

// What an operator wrote is sent in any case.
const nothingToTell: Outcome = { kind: 'delivered', reason: 'nothing to tell: when says no' }

/** Throws UnusableMapping. */
function isWanted(name: string, { when }: Options, told: Told): boolean {
  if (!when) return true
  const said: unknown = runMapping(`targets.${name}.when`, () => when(told))
  if (typeof said === 'boolean') return said
  throw new UnusableMapping(`targets.${name}.when must return true or false`)
}

function judge(name: string, options: Options, exchange: Exchange): Outcome {
  if (exchange.kind === 'answered') {
    const { answer } = exchange
    const outcome = askAnswerFunction(name, options, answer) ?? classifyAnswer(answer)
    return outcome.kind === 'delivered' ? keepFor(name, options, { outcome, answer }) : outcome
  }
  const begun = exchange.kind === 'unanswered' ? exchange.begun : undefined
  // A refusal is one by its status alone; only a success, or a function that reads bodies, needs the rest.
  if (begun && !options.answer && begun.status >= 300) return classifyAnswer(begun)
  return explainMissingAnswer(exchange)
}

function askAnswerFunction(name: string, options: Options, answer: HttpAnswer) {
  if (!options.answer) return undefined
  const refused = (reason: string) => giveUp(storableReason(reason), keepAnswer(answer, 'give-up'))
  try {
    const said: unknown = options.answer(answer)
    if (said === undefined) return undefined
    return (
      readAnswered(said, answer) ??
      refused(`targets.${name}.answer returned something else than an outcome`)
    )
  } catch (error) {
    return refused(`targets.${name}.answer threw: ${reasonOf(error)}`)
  }
}

/** The target was told, whatever becomes of what it answered. */
function keepFor(
  name: string,
  { keep }: Options,
  { outcome, answer }: { outcome: Outcome & { kind: 'delivered' }; answer: HttpAnswer },
): Outcome {
  if (!keep) return outcome
  try {
    const value = keepValue(keep(answer))
    if (value instanceof Error)
      return { ...outcome, reason: `targets.${name}.keep ${value.message}` }
    return { ...outcome, answer: { ...outcome.answer, value } }
  } catch (error) {
    return { ...outcome, reason: storableReason(`targets.${name}.keep threw: ${reasonOf(error)}`) }
  }
}
