import type { Comparison, Result } from '../scenario.ts'

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** By linear interpolation between the two nearest; `percent` from 0 to 100. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = ((sorted.length - 1) * percent) / 100
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** Three significant digits for small figures, whole numbers for large ones: more would be noise. */
export function round(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}

/** Compares a figure of ours, higher being better, with a reference's. */
export function compare(
  ours: number,
  reference: { reference: string; figure: number; atLeast: number },
): Comparison {
  const ratio = round(ours / reference.figure)
  return { ...reference, figure: round(reference.figure), ratio, holds: ratio >= reference.atLeast }
}

type Compared = {
  scenario: string
  unit: string
  ours: number
  /** The first one is the primary. */
  comparisons: readonly Comparison[]
  details?: Record<string, unknown>
}

/** The result of a scenario with references, higher being better. It holds when every comparison does. */
export function resultOf({ scenario, unit, ours, comparisons, details }: Compared): Result {
  const [primary] = comparisons
  if (!primary) throw new Error(`${scenario}: nothing to compare with`)
  return {
    scenario,
    ours: round(ours),
    reference: primary.figure,
    ratio: primary.ratio,
    atLeast: primary.atLeast,
    holds: comparisons.every(({ holds }) => holds),
    unit,
    details: { ...details, comparisons: [...comparisons] },
  }
}
