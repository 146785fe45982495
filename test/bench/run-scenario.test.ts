import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Scenario } from '../../bench/scenario.ts'
import { chartSvg } from '../../bench/support/chart-svg.ts'
import { compare, median, percentile, resultOf } from '../../bench/support/figures.ts'
import { interleave } from '../../bench/support/interleave.ts'
import { readResults } from '../../bench/support/results.ts'
import { runScenario } from '../../bench/support/run-scenario.ts'

const tiny: Scenario = {
  name: 'tiny',
  what: 'counts to two',
  async run(bench) {
    const rounds = await interleave(
      bench,
      { ours: async () => 200, theirs: async () => 100 },
      { rounds: 2, figure: (perSecond) => perSecond },
    )
    const against = (reference: string, atLeast: number) =>
      compare(median(rounds.ours), { reference, figure: median(rounds.theirs), atLeast })
    return resultOf({
      scenario: 'tiny',
      unit: 'counts/s',
      ours: median(rounds.ours),
      comparisons: [against('counting slowly', 1.3), against('counting <fast>', 3)],
    })
  },
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orderwheel-test-bench-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('with --json the last line is the result, and progress is kept apart', async () => {
  const { printed, progress } = await run({ json: true, quick: false })
  expect(JSON.parse(printed.at(-1) ?? '')).toEqual({
    scenario: 'tiny',
    ours: 200,
    reference: 100,
    ratio: 2,
    atLeast: 1.3,
    holds: false,
    unit: 'counts/s',
    details: {
      comparisons: [
        { reference: 'counting slowly', figure: 100, ratio: 2, atLeast: 1.3, holds: true },
        { reference: 'counting <fast>', figure: 100, ratio: 2, atLeast: 3, holds: false },
      ],
    },
  })
  expect(progress).toEqual([
    'tiny: round 1 of 2: ours 200',
    'tiny: round 1 of 2: theirs 100',
    'tiny: round 2 of 2: ours 200',
    'tiny: round 2 of 2: theirs 100',
  ])
})

test('a result is kept with the machine it was measured on, but not its name, and drawn', async () => {
  await run({ json: true, quick: false })
  const saved = JSON.parse(await readFile(`${folder}/tiny.json`, 'utf8'))
  expect(Object.keys(saved.hardware)).toEqual(['cpu', 'cores', 'memoryGiB', 'system'])
  expect(saved.versions).toMatchObject({ node: process.versions.node })
  const svg = chartSvg(await readResults(folder))
  expect(svg).toContain('against counting &lt;fast>')
  expect(svg).toContain('2 × (at least 1.3 ×)')
})

test('a person gets a table of what was compared; a quick run is not kept', async () => {
  const { printed } = await run({ json: false, quick: true })
  expect(printed.join('\n')).toMatch(/tiny +200 +counts\/s +counting slowly +100 +2 +1\.3 +yes/)
  expect(printed.join('\n')).toMatch(/tiny +200 +counts\/s +counting <fast> +100 +2 +3 +no/)
  expect(await readResults(folder)).toEqual([])
})

test('a percentile lies between the two nearest values', () => {
  expect(percentile([4, 1, 3, 2], 50)).toBe(2.5)
  expect(percentile([1, 2, 3, 4, 5], 99)).toBeCloseTo(4.96)
  expect(median([3, 1, 2])).toBe(2)
})

async function run(options: { json: boolean; quick: boolean }) {
  const printed: string[] = []
  const progress: string[] = []
  await runScenario(tiny, {
    ...options,
    folder,
    print: (line) => void printed.push(line),
    progress: (line) => void progress.push(line),
  })
  return { printed, progress }
}
