/** No answer within the time given: whether the request took effect is unknown. */
export class NoAnswerError extends Error {
  /** Of an order that may have been placed: send it again with this key. */
  readonly idempotencyKey: string | undefined

  constructor(
    attempts: number,
    { cause, idempotencyKey }: { cause: Error; idempotencyKey: string | undefined },
  ) {
    const again = idempotencyKey === undefined ? '' : ' Send it again with the same key.'
    super(
      `No answer after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${reasonOf(cause)}.${again}`,
      { cause },
    )
    this.name = 'NoAnswerError'
    this.idempotencyKey = idempotencyKey
  }
}

// fetch says only that it failed; what failed is its cause, of several addresses one for each.
function reasonOf({ message, cause }: Error): string {
  const causes = cause instanceof AggregateError ? cause.errors : [cause]
  const reasons = causes.filter((one) => one instanceof Error).map((one) => one.message)
  return [message, ...new Set(reasons)].filter(Boolean).join(': ')
}
