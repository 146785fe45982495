import { resolve } from 'node:path'

import { importDefinition } from '#config/load-config.ts'

const definition = (await importDefinition(
  resolve(import.meta.dirname, '../../orderwheel.config.ts'),
)) as { routes: Record<string, readonly string[]> }

/** The targets that the shipped demo store tells of a new order, by name. */
export const demoTargets = (definition.routes['order.placed'] ?? []).toSorted()
