import { setTimeout } from 'node:timers/promises'

type Nothing = undefined | null | false | 0 | ''

/**
 * Asks until the answer is true (not undefined, null, false, 0 or '') and nothing throws, and answers
 * it. Fails at the deadline with what was thrown or answered last.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options: { withinSeconds?: number } = {},
): Promise<Exclude<T, Nothing>> {
  const withinSeconds = options.withinSeconds ?? 20
  const deadline = Date.now() + withinSeconds * 1_000
  let last: unknown
  do {
    try {
      const answer = await probe()
      if (answer) return answer as Exclude<T, Nothing>
      last = `the answer was ${JSON.stringify(answer)}`
    } catch (error) {
      last = error
    }
    await setTimeout(25)
  } while (Date.now() < deadline)
  throw new Error(
    `Not within ${withinSeconds} s: ${last instanceof Error ? last.message : String(last)}`,
    {
      cause: last,
    },
  )
}
