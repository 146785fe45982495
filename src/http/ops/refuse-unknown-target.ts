import type { Db } from '#database/open-database.ts'
import { HttpProblem } from '#http/http-problem.ts'
import { findUnknownTarget } from '#limits/unknown-target.ts'

/** Throws the problem about a misspelt target: nothing of it is no answer, for nothing is what one hopes for. */
export async function refuseUnknownTarget(
  db: Db,
  target: string | undefined,
  place: { pointer: string } | { parameter: string },
): Promise<void> {
  const detail = target === undefined ? undefined : await findUnknownTarget(db, target)
  if (detail === undefined) return
  const code = 'parameter' in place ? 'invalid-query' : 'invalid-body'
  throw new HttpProblem(code, { errors: [{ ...place, detail }] })
}
