import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import type { Result } from '../scenario.ts'
import type { Machine } from './machine.ts'

/** What is kept of a run. No names of machines or folders. */
export type SavedResult = Result & Machine & { date: string }

export const resultsFolder = fileURLToPath(new URL('../results', import.meta.url))

/** Writes results/<scenario>.json. */
export async function saveResult(
  result: Result,
  machine: Machine,
  folder: string = resultsFolder,
): Promise<void> {
  const saved: SavedResult = { ...result, ...machine, date: new Date().toISOString().slice(0, 10) }
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/${result.scenario}.json`, `${JSON.stringify(saved, undefined, 2)}\n`)
}

/** All results there are, by scenario. */
export async function readResults(folder: string = resultsFolder): Promise<SavedResult[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort()
  return Promise.all(
    files.map(async (file) => JSON.parse(await readFile(`${folder}/${file}`, 'utf8'))),
  )
}
