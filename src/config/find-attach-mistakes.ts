import type { Mistake } from '#targets/target-kind.ts'

import type { CheckedTarget } from './check-target.ts'

/** Attachments that would never be there: of a target that is told at the same time, or that makes no files. */
export function findAttachMistakes(checked: readonly CheckedTarget[]): Mistake[] {
  const kinds = new Map(checked.map(({ name, kind }) => [name, kind]))
  return checked.flatMap(({ name, after, options }) =>
    attachedTo(options).flatMap((other) => {
      const message = findOne(other, after, kinds.get(other))
      return message === undefined ? [] : [{ path: `targets.${name}.attach`, message }]
    }),
  )
}

function attachedTo(options: unknown): string[] {
  const { attach } = options as { attach?: unknown }
  return Array.isArray(attach) ? attach.filter((other) => typeof other === 'string') : []
}

function findOne(
  other: string,
  after: readonly string[],
  kind: CheckedTarget['kind'],
): string | undefined {
  if (!after.includes(other)) {
    return `attaches what ${other} makes without waiting for it: add ${other} to after`
  }
  if (kind === undefined || kind === 'receipt' || kind === 'custom') return undefined
  return `attaches what ${other} makes, but ${kind}() makes no files; receipt() and custom() do`
}
