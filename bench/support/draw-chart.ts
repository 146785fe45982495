import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

import { chartSvg } from './chart-svg.ts'
import { readResults } from './results.ts'

const file = fileURLToPath(new URL('../../docs/bench.svg', import.meta.url))

/** Draws docs/bench.svg from bench/results and answers its path. */
export async function drawChart(): Promise<string> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, chartSvg(await readResults()))
  return 'docs/bench.svg'
}
