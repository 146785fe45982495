import type { Bench } from '../scenario.ts'
import { round } from './figures.ts'

/**
 * Runs the contenders in turn, A B C A B C …, so that a machine that is slow for a while is slow for all, and
 * answers what each said in each round. `figure` is what is shown meanwhile.
 */
export async function interleave<Name extends string, Round>(
  bench: Bench,
  contenders: Record<Name, () => Promise<Round>>,
  { rounds, figure }: { rounds: number; figure: (round: Round) => number },
): Promise<Record<Name, Round[]>> {
  const names = Object.keys(contenders) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Round[]
  >
  for (let number = 1; number <= rounds; number += 1) {
    for (const name of names) {
      const result = await contenders[name]()
      results[name].push(result)
      bench.progress(`round ${number} of ${rounds}: ${name} ${round(figure(result))}`)
    }
  }
  return results
}
