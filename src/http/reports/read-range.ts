/**
 * The bytes that a Range header asks for of a file of so many: RFC 9110, 14.1.2. `unreadable`: to be ignored, as are several
 * ranges at once; `beyond`: none of them are there.
 */
export function readRange(
  header: string,
  bytes: number,
): { first: number; last: number } | 'unreadable' | 'beyond' {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim()) ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return 'unreadable'
  if (from === '') {
    const wanted = Math.min(Number(to), bytes)
    return wanted === 0 ? 'beyond' : { first: bytes - wanted, last: bytes - 1 }
  }
  const first = Number(from)
  const last = to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1)
  if (to !== '' && Number(to) < first) return 'unreadable'
  return first >= bytes ? 'beyond' : { first, last }
}
