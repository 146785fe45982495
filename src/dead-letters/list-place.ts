/** A place in a list of letters: below this time (to the microsecond, as text) and id. */
export type Place = { at: string; id: string }

/** The place as callers hand it back. */
export function placeAfter({ at, id }: Place): string {
  return Buffer.from(`${at} ${id}`).toString('base64url')
}

/** Undefined: it is none of ours. */
export function placeOf(text: string): Place | undefined {
  const read = Buffer.from(text.slice(0, 200), 'base64url').toString()
  const [, at, id] = pattern.exec(read) ?? []
  // What has the form may still be no time, such as month 13.
  if (at === undefined || id === undefined || Number.isNaN(Date.parse(at))) return undefined
  return { at, id }
}

const pattern =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/
