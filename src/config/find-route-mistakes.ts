import { suggestName } from '#base/suggest-name.ts'
import { isMessageKind, messageKinds } from '#messages/message-kinds.ts'
import type { Mistake } from '#targets/target-kind.ts'

/** Routes as written, and what could be meant: targets, and kinds of message that the file declares. */
export function findRouteMistakes(
  routes: unknown,
  targetNames: readonly string[],
  ownKinds: readonly string[],
): Mistake[] {
  if (typeof routes !== 'object' || routes === null) {
    return [{ path: 'routes', message: "must be an object like { 'order.placed': ['erp'] }" }]
  }
  return Object.entries(routes).flatMap(([kind, names]) => {
    const path = routePath(kind)
    if (!isMessageKind(kind) && !ownKinds.includes(kind)) {
      const kinds = [...messageKinds, ...ownKinds]
      const message = `is not a kind of message${suggestName(kind, kinds)}`
      return [{ path, message: `${message} There are ${kinds.join(', ')}` }]
    }
    if (!Array.isArray(names)) return [{ path, message: 'must be a list of target names' }]
    return names.flatMap((name: unknown, index) => {
      const place = `${path}[${index}]`
      if (typeof name !== 'string' || !targetNames.includes(name)) {
        const message = `there is no target ${String(name)}${suggestName(String(name), targetNames)}`
        return [{ path: place, message }]
      }
      return names.indexOf(name) === index
        ? []
        : [{ path: place, message: `${name} is already in this route` }]
    })
  })
}

/** As it is written in the configuration file: the kinds have a dot in their names. */
export function routePath(kind: string): string {
  return `routes['${kind}']`
}
