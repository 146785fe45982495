import type { Outcome } from '#targets/outcome.ts'

import type { HttpExchange } from './watch-exchanges.ts'

export type TestOfTarget = {
  target: string
  /** As they went over the wire, without secrets. */
  exchanges: readonly HttpExchange[]
  /** Of what is told otherwise, a mail: what was sent. */
  request: string | undefined
  outcome: Outcome
  durationMs: number
}

/** What was sent, what came back, and what it means. */
export function describeTest({
  target,
  exchanges,
  request,
  outcome,
  durationMs,
}: TestOfTarget): string {
  const sent = exchanges.map(describeRequest)
  const text = outcome.answer?.text
  return [
    ...sent,
    ...(request === undefined ? [] : [request, '']),
    ...(exchanges.length === 0 && outcome.answer?.status !== undefined
      ? [`← ${outcome.answer.status}`]
      : []),
    ...(text === undefined || text === '' ? [] : [text, '']),
    `${sayOutcome(target, outcome)} (${durationMs} ms)`,
    'This was a test by hand: the order’s delivery is as it was.',
  ].join('\n')
}

function describeRequest({ method, url, headers, body, answer }: HttpExchange): string {
  const head = (pairs: HttpExchange['headers']) => pairs.map(([name, value]) => `${name}: ${value}`)
  return [
    `→ ${method} ${url}`,
    ...head(headers),
    '',
    ...(body === '' ? [] : [body, '']),
    ...(answer ? [`← ${answer.status}`, ...head(answer.headers), ''] : ['← no answer', '']),
  ].join('\n')
}

function sayOutcome(target: string, outcome: Outcome): string {
  switch (outcome.kind) {
    case 'delivered':
      return `${target} was told.${outcome.reason === undefined ? '' : ` But ${outcome.reason}.`}`
    case 'try-again':
      return `${target} would be told again: ${outcome.reason}`
    case 'give-up':
      return `${target} refused, which would be a dead letter: ${outcome.reason}`
    case 'uncertain':
      return `Nobody knows whether ${target} was told: ${outcome.reason}`
    default:
      return outcome satisfies never
  }
}
