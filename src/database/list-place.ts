/** A place in a list, the newest first: below this time (to the microsecond, as text) and id. */
export type Place = { at: string; id: string }

/** The place as callers hand it back. */
export function placeAfter({ at, id }: Place): string {
  return Buffer.from(`${at} ${id}`).toString('base64url')
}

/** Undefined: it is none of ours. */
export function placeOf(text: string): Place | undefined {
  const read = Buffer.from(text.slice(0, 200), 'base64url').toString()
  const [, at, id] = pattern.exec(read) ?? []
  if (at === undefined || id === undefined || !isTime(at)) return undefined
  return { at, id }
}

// What has the form may still be no time, such as month 13 or the 30th of February, which JavaScript takes for a day
// in March, or none that PostgreSQL has: it knows no year 0.
function isTime(at: string): boolean {
  const read = new Date(at)
  if (Number.isNaN(read.getTime()) || read.getUTCFullYear() === 0) return false
  return read.toISOString().slice(0, 19) === at.slice(0, 19)
}

const pattern =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/
