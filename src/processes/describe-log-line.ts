import { printable } from '#base/printable.ts'

/** A log line for a person: `worker: erp delivered at attempt 1 after 0.2 s order 01a2…`. */
export function describeLogLine(line: Record<string, unknown>, message: string): string {
  const { process, target, attempt, durationMs, reason, err, orderId, messageId } = line
  const cause = reason ?? (err instanceof Object && 'message' in err ? err.message : undefined)
  // A message about no order has its own id in the order's place.
  const what = orderId === messageId ? 'message' : 'order'
  return [
    typeof process === 'string' ? `${process}:` : '',
    typeof target === 'string' ? target : '',
    message,
    typeof attempt === 'number' ? `at attempt ${attempt}` : '',
    typeof durationMs === 'number' ? `after ${(durationMs / 1_000).toFixed(1)} s` : '',
    typeof cause === 'string' ? `(${printable(cause)})` : '',
    typeof orderId === 'string' ? `${what} ${orderId}` : '',
  ]
    .filter(Boolean)
    .join(' ')
}
