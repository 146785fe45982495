import { onTestFinished } from 'vitest'

import type { TargetDefinition } from '#targets/target-kind.ts'
import { targetKinds } from '#targets/target-kinds.ts'
import type { Target } from '#targets/target.ts'

/** The target a configuration file's entry becomes, closed when the test ends. */
export function createTarget(name: string, { kind, options }: TargetDefinition): Target {
  const target = targetKinds[kind].create(name, options, { directory: import.meta.dirname })
  onTestFinished(() => target.close())
  return target
}
