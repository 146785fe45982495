import { isUtf8 } from 'node:buffer'

import { sayJsonEnd } from '#base/say-json-end.ts'

import { emptyBody, pointerStep } from './describe-invalid.ts'
import { HttpProblem } from './http-problem.ts'
import type { ProblemCode, ProblemPart } from './problems.ts'

/**
 * The body as JSON, or a problem: 400 for what is not UTF-8 or not JSON, 422 for texts PostgreSQL
 * cannot store (`\u0000`, half of a surrogate pair) and for the key `__proto__`. Depth does no harm:
 * nothing here recurses.
 */
export function parseJsonBody(body: Buffer, invalidBody: ProblemCode = 'invalid-order'): unknown {
  if (body.length === 0) throw new HttpProblem('invalid-json', emptyBody)
  if (!isUtf8(body)) throw new HttpProblem('invalid-json', { detail: 'The body is not UTF-8.' })
  const text = body.toString('utf8')
  const value = parse(text)
  // Only an escape can spell these in valid UTF-8 JSON, so nearly every body is spared the walk.
  if (text.includes('\\u') || text.includes('__proto__')) refuseWrongTexts(value, invalidBody)
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's message quotes the body, which may name people: only the place is passed on.
    const detail = `The body stops being JSON ${sayJsonEnd(text)}.`
    throw new HttpProblem('invalid-json', { detail })
  }
}

function refuseWrongTexts(value: unknown, invalidBody: ProblemCode): void {
  const errors: ProblemPart[] = []
  const open: { pointer: Step | undefined; value: unknown }[] = [{ pointer: undefined, value }]
  for (let next = open.pop(); next && errors.length < 100; next = open.pop()) {
    const { pointer, value } = next
    if (typeof value === 'string') {
      const detail = wrongText(value)
      if (detail) errors.push({ pointer: spell(pointer), detail })
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value).toReversed()) {
        const here = { key, parent: pointer }
        const detail = key === '__proto__' ? 'is not a known field' : wrongText(key)
        if (detail) errors.push({ pointer: spell(here), detail })
        open.push({ pointer: here, value: member })
      }
    }
  }
  if (errors.length > 0) throw new HttpProblem(invalidBody, { errors })
}

/** A linked list: as text, the pointers of a body nested 100 000 deep would fill the memory. */
type Step = { key: string; parent: Step | undefined }

function spell(step: Step | undefined): string {
  const steps: string[] = []
  for (let at = step; at; at = at.parent) steps.push(pointerStep(at.key.toWellFormed()))
  return steps.toReversed().join('').slice(0, 2_000)
}

function wrongText(text: string): string | undefined {
  if (text.includes('\u0000')) return 'must not contain \\u0000'
  if (!text.isWellFormed()) return 'must not contain half of a surrogate pair'
  return undefined
}
