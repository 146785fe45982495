/** No answer within the time given: whether the request took effect is unknown. */
export class NoAnswerError extends Error {
  /** Of an order that may have been placed: send it again with this key. */
  readonly idempotencyKey: string | undefined

  constructor(
    attempts: number,
    { cause, idempotencyKey }: { cause: Error; idempotencyKey: string | undefined },
  ) {
    const again = idempotencyKey === undefined ? '' : ' Send it again with the same key.'
    super(`No answer after ${attempts} attempts: ${cause.message}.${again}`, { cause })
    this.name = 'NoAnswerError'
    this.idempotencyKey = idempotencyKey
  }
}
