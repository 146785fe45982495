/** A deadline that passes when the test says so, as the worker's does when the seconds are over. */
export function createDeadline() {
  const controller = new AbortController()
  return {
    signal: controller.signal,
    pass: () => controller.abort(new DOMException('The deadline passed', 'TimeoutError')),
  }
}
