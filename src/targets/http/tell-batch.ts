import { hash } from 'node:crypto'

import { keepAnswer } from '#targets/keep-answer.ts'
import { giveUp, type Outcome } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import { messageAndOrder, toldOf, type Told } from '#targets/target-kind.ts'
import type { Call } from '#targets/target.ts'

import { classifyAnswer } from './classify-answer.ts'
import { explainMissingAnswer } from './explain-exchange.ts'
import { mapRequest, UnusableMapping } from './map-request.ts'
import { readAnswered } from './read-answered.ts'
import type { Exchange, HttpAnswer, HttpRequest } from './send-request.ts'

/** What an answer means: for all deliveries of a batch, or for each in its place; undefined: what its status says. */
export type JudgeBatch = (
  answer: HttpAnswer,
  batch: readonly Told[],
) => Outcome | readonly (Outcome | undefined)[] | undefined

type Options = {
  url: string
  method?: string
  headers?: Record<string, string>
  body?: (batch: readonly Told[]) => unknown
  answer?: JudgeBatch
}

type Send = (request: HttpRequest, signal: AbortSignal) => Promise<Exchange>

/** Tells a target of deliveries by one request, or by several when it refuses what is in one of them. */
export function tellBatch(
  name: string,
  options: Options,
  send: Send,
): (calls: readonly Call[], signal: AbortSignal) => Promise<readonly Outcome[]> {
  return tell

  async function tell(calls: readonly Call[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const told = await tellOnce(calls, signal)
    if ('outcomes' in told) return told.outcomes
    if (calls.length === 1) return [told.refused]
    // One after the other: of the target, this is one call.
    const middle = Math.ceil(calls.length / 2)
    const first = await tell(calls.slice(0, middle), signal)
    return [...first, ...(await tell(calls.slice(middle), signal))]
  }

  /** `refused`: for what is in it, which may be one of its deliveries' fault. */
  async function tellOnce(
    calls: readonly Call[],
    signal: AbortSignal,
  ): Promise<{ outcomes: readonly Outcome[] } | { refused: Outcome }> {
    const batch = calls.map(toldOf)
    try {
      const edited = calls.length === 1 ? calls[0]?.edited : undefined
      const exchange = await send(mapBatch(name, options, { batch, edited }), signal)
      if (exchange.kind !== 'answered') return forEach(batch, explainMissingAnswer(exchange))
      const { answer } = exchange
      const judged = judge(name, options, { answer, batch })
      if (judged) return { outcomes: judged }
      const outcome = classifyAnswer(answer)
      return isAboutContent(answer) ? { refused: outcome } : forEach(batch, outcome)
    } catch (error) {
      // The same orders give the same mistake; without the one that does, the others do not.
      if (error instanceof UnusableMapping)
        return { refused: giveUp(storableReason(error.message)) }
      throw error
    }
  }
}

function forEach(batch: readonly Told[], outcome: Outcome): { outcomes: readonly Outcome[] } {
  return { outcomes: batch.map(() => outcome) }
}

function isAboutContent({ status }: HttpAnswer): boolean {
  return status === 400 || status === 413 || status === 422
}

/** The request for these deliveries. Throws UnusableMapping. */
export function mapBatch(
  name: string,
  { body = defaultBody, ...options }: Options,
  { batch, edited }: { batch: readonly Told[]; edited: unknown },
): HttpRequest {
  const [first] = batch
  if (!first) throw new UnusableMapping(`targets.${name} has nothing to tell`)
  const idempotencyKey = batch.length === 1 ? first.idempotencyKey : keyOf(name, batch)
  // Read by nobody but the options' functions, of which a batch has none but `body`.
  const told = Object.assign(toldOf(first), { idempotencyKey })
  return mapRequest(name, { ...options, body: () => body(batch) }, { told, edited })
}

function defaultBody(batch: readonly Told[]): unknown {
  return {
    messages: batch.map((told) => ({
      idempotencyKey: told.idempotencyKey,
      ...messageAndOrder(told),
    })),
  }
}

/** The same for the same deliveries, in whatever order they come. */
function keyOf(name: string, batch: readonly Told[]): string {
  const keys = batch.map(({ idempotencyKey }) => idempotencyKey).toSorted()
  return `${name}-${hash('sha256', keys.join('\n')).slice(0, 32)}`
}

function judge(
  name: string,
  { answer: judgeBatch }: Options,
  { answer, batch }: { answer: HttpAnswer; batch: readonly Told[] },
): readonly Outcome[] | undefined {
  if (!judgeBatch) return undefined
  const all = (outcome: Outcome) => batch.map(() => outcome)
  const refused = (what: string) =>
    all(giveUp(storableReason(`targets.${name}.answer ${what}`), keepAnswer(answer, 'give-up')))
  try {
    const said: unknown = judgeBatch(answer, batch)
    if (said === undefined) return undefined
    if (!Array.isArray(said)) {
      const outcome = readAnswered(said, answer)
      return outcome ? all(outcome) : refused('returned something else than outcomes')
    }
    if (said.length !== batch.length) {
      return refused(`returned ${said.length} outcomes for ${batch.length} deliveries`)
    }
    const outcomes = said.map((one: unknown) =>
      one === undefined ? classifyAnswer(answer) : readAnswered(one, answer),
    )
    return outcomes.every((outcome) => outcome !== undefined)
      ? outcomes
      : refused('returned something else than outcomes')
  } catch (error) {
    return refused(`threw: ${reasonOf(error)}`)
  }
}
