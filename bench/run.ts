import { parseArgs } from 'node:util'

import { formatTable } from '#cli/format-table.ts'

import { runScenario } from './support/run-scenario.ts'
import { loadScenarios } from './support/scenarios.ts'

const usage = `Usage: npm run bench -- <scenario> [--json] [--quick]

  --json   the last line of the output is one JSON object
  --quick  to try it out: smaller, and nothing is written to bench/results

Scenarios, or all of them with "all":
`

process.exitCode = await main(process.argv.slice(2))

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean' }, quick: { type: 'boolean' } },
  })
  const [name] = positionals
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  const scenarios = await loadScenarios()
  if (name === undefined) {
    print(usage)
    print(formatTable(scenarios.map(({ name, what }) => [`  ${name}`, what])))
    print('\n"chart" draws docs/bench.svg from bench/results.')
    return 0
  }
  if (name === 'chart') {
    const { drawChart } = await import('./support/draw-chart.ts')
    print(await drawChart())
    return 0
  }
  const chosen = name === 'all' ? scenarios : scenarios.filter((known) => known.name === name)
  if (chosen.length === 0) {
    process.stderr.write(`There is no scenario "${name}". npm run bench lists them.\n`)
    return 2
  }
  for (const scenario of chosen)
    await runScenario(scenario, {
      json: values.json ?? false,
      quick: values.quick ?? false,
      print,
      progress: (line) => void process.stderr.write(`${line}\n`),
    })
  return 0
}
