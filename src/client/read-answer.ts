import { ProblemError } from './problem-error.ts'

/** What was answered, as parsed JSON, or what went wrong. A 2xx that is no JSON, cut short say, counts as no answer. */
export async function readAnswer(
  send: () => Promise<Response>,
): Promise<{ value: unknown } | ProblemError | Error> {
  try {
    const answer = await send()
    const text = await answer.text()
    return answer.ok ? { value: JSON.parse(text) } : new ProblemError(answer, parse(text))
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** undefined: it is no JSON. A proxy in front answers pages. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
