import { formatTable } from '#cli/format-table.ts'

import type { Result } from '../scenario.ts'
import type { Machine } from './machine.ts'

/** The result for a person: the machine, then a line for each comparison. */
export function printResult(result: Result, { hardware, versions, settings }: Machine): string {
  const { cpu, cores, memoryGiB, system } = hardware
  return [
    '',
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    joined(versions),
    `PostgreSQL settings: ${joined(settings)}`,
    '',
    formatTable([head, ...rows(result)]),
    '',
    ...Object.entries(result.details)
      .filter(([name]) => name !== 'comparisons')
      .map(
        ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
      ),
  ].join('\n')
}

const head = ['scenario', 'ours', 'unit', 'reference', 'figure', 'ratio', 'at least', 'holds']

function rows(result: Result) {
  const { scenario, ours, unit, reference: figure, ratio, atLeast, holds } = result
  const comparisons = result.details.comparisons ?? [
    { reference: 'the limit', figure, ratio, atLeast, holds },
  ]
  return comparisons.map((compared) => [
    scenario,
    ours,
    unit,
    compared.reference,
    compared.figure,
    compared.ratio,
    compared.atLeast,
    compared.holds ? 'yes' : 'no',
  ])
}

function joined(named: Record<string, string>): string {
  return Object.entries(named)
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ')
}
