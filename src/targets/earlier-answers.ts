import type { Answer } from './outcome.ts'

/** What a target that was told before answered: see `answersOf`. */
export type EarlierAnswer = Pick<Answer, 'status' | 'text' | 'headers'> & {
  /** What its `keep` picked of the answer, or else its text as JSON; undefined when it is not. */
  readonly value: unknown
}

/** By the target's name; undefined: it has not answered. */
export type EarlierAnswers = Readonly<Partial<Record<string, EarlierAnswer>>>

/**
 * The answers that a target is given, of those it had to wait for: the targets in its `after`, told of the same
 * message, and under its own name its own answer to the order's message before. Texts are read as JSON when they
 * are looked at.
 */
export function answersOf(stored: Readonly<Record<string, Answer>> | null): EarlierAnswers {
  const answers: Partial<Record<string, EarlierAnswer>> = Object.create(null)
  for (const [target, { value, ...answer }] of Object.entries(stored ?? {})) {
    answers[target] = {
      ...answer,
      get value() {
        return value === undefined ? parse(answer.text) : value
      },
    }
  }
  return answers
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
