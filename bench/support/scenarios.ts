import { readdir } from 'node:fs/promises'

import type { Scenario } from '../scenario.ts'

// The order of the speed table; one that is not named here comes last.
const order = [
  'checkout',
  'intake',
  'relay',
  'deliver',
  'http',
  'latency',
  'slow',
  'backlog',
  'xmin',
  'memory',
  'soak',
]

const folder = new URL('../scenarios/', import.meta.url)

/** Every scenario in scenarios/, in the order of the speed table. */
export async function loadScenarios(): Promise<Scenario[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'))
  const modules = await Promise.all(
    files.map((file) => import(new URL(file, folder).href) as Promise<{ scenario: Scenario }>),
  )
  return modules.map(({ scenario }) => scenario).toSorted((a, b) => byPlaceInTable(a.name, b.name))
}

/** Compares two names by where the speed table has them. */
export function byPlaceInTable(a: string, b: string): number {
  const place = (name: string) => (order.indexOf(name) + order.length + 1) % (order.length + 1)
  return place(a) - place(b)
}
