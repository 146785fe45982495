/**
 * What `work` comes to; when `signal` aborts first, what `late` says instead. Work that looks at the signal gets
 * a turn of the event loop to say more itself; work that does not is not waited for.
 */
export function withinDeadline<T>(
  work: Promise<T>,
  signal: AbortSignal,
  late: (reason: unknown) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => setImmediate(() => resolve(late(signal.reason)))
    // A signal keeps its listeners for as long as it lives.
    const ended = () => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    void work.finally(ended).then(resolve, reject)
  })
}
