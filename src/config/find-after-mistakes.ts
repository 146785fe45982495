import { suggestName } from '#base/suggest-name.ts'
import type { Mistake } from '#targets/target-kind.ts'

import { routePath } from './find-route-mistakes.ts'

/** Which targets each target waits for, by name, as far as it could be read. */
export type Waits = ReadonlyMap<string, readonly string[]>

/** Targets that would wait for ever: for one that does not exist, is never told, or waits for them. */
export function findAfterMistakes(
  waits: Waits,
  routes: Readonly<Record<string, unknown>>,
): Mistake[] {
  return [...waits].flatMap(([name, after]) => {
    const path = `targets.${name}.after`
    const messages = after.flatMap((other) => findOne(name, other, waits, routes))
    return messages.map((message) => ({ path, message }))
  })
}

function findOne(
  name: string,
  other: string,
  waits: Waits,
  routes: Readonly<Record<string, unknown>>,
): string[] {
  if (other === name) return ['a target cannot wait for itself']
  if (!waits.has(other)) {
    return [`there is no target ${other}${suggestName(other, [...waits.keys()])}`]
  }
  const way = findWay(other, name, waits, [other])
  if (way) return [`waits in a circle: ${[name, ...way].join(' → ')}`]
  return Object.entries(routes)
    .filter(([, names]) => Array.isArray(names) && names.includes(name) && !names.includes(other))
    .map(
      ([kind]) => `waits for ${other}, which ${routePath(kind)} does not tell: add ${other} to it`,
    )
}

/** The chain of waits from one target to another. */
function findWay(from: string, to: string, waits: Waits, way: string[]): string[] | undefined {
  for (const next of waits.get(from) ?? []) {
    if (next === to) return [...way, to]
    if (way.includes(next)) continue
    const found = findWay(next, to, waits, [...way, next])
    if (found) return found
  }
  return undefined
}
