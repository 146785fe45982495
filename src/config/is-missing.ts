import type { Mistake } from '#targets/target-kind.ts'

/** Whether a path is, or leads to, one of the variables that are not set. */
export function isMissing(missing: readonly Mistake[], path: string): boolean {
  return missing.some((mistake) => mistake.path === path || mistake.path.startsWith(`${path}.`))
}
