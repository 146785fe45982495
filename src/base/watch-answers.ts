/** Keeps how long something has been answering without a gap. */
export type AnswerWatch = {
  answered: () => void
  /** It answers, but not as if nothing had happened. */
  interrupted: () => void
  /** Milliseconds since the first answer after the last gap; 0 while there is none. */
  steadyMs: () => number
}

/** A gap is `awayMs` without an answer: it, or this process, was away. `now` in milliseconds. */
export function watchAnswers(
  awayMs: number,
  now: () => number = () => performance.now(),
): AnswerWatch {
  let last = now()
  let steadySince = last
  return {
    answered() {
      if (now() - last > awayMs) steadySince = now()
      last = now()
    },
    interrupted() {
      steadySince = now()
    },
    steadyMs: () => (now() - last > awayMs ? 0 : now() - steadySince),
  }
}
