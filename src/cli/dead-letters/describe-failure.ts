const longest = 60

/**
 * `422 UNKNOWN_SKU`, `422`, `ECONNREFUSED`, `did not end: out of time`: the status, and the code or else what was
 * said, unless that is the status once more.
 */
export function describeFailure(of: {
  status: number | null
  code: string | null
  failure: string
}): string {
  const status = of.status === null ? '' : String(of.status)
  const said = of.code ?? of.failure
  // `answered 422`, or as a group has it, `answered #`.
  if (status !== '' && [`answered ${status}`, 'answered #'].includes(said)) return status
  const short = said.length > longest ? `${said.slice(0, longest)}…` : said
  return `${status} ${short}`.trim()
}
