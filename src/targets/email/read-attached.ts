import type { MadeFile } from '#targets/outcome.ts'
import type { Call, OtherDelivery } from '#targets/target.ts'

type Attached = {
  files: MadeFile[]
  /** What is not among them and never will be, and why. Undefined: all that was asked for is there. */
  missing: string | undefined
}

/** What goes with a mail. An error: a file is still to come, which says until when the mail waits. */
export async function readAttached(
  attach: readonly string[],
  { file, standing }: Pick<Call, 'file' | 'standing'>,
): Promise<Attached | Error> {
  if (attach.length === 0) return { files: [], missing: undefined }
  // Asked before the files: what was told by now has made what it makes. A mail that was under way before it was
  // configured to come after the other one was never held back for it.
  const { others } = await standing()
  const files: MadeFile[] = []
  const missing: string[] = []
  for (const target of attach) {
    const other = others.find((one) => one.target === target)
    if (other && isToCome(other))
      return new Error(`not sent: the file of ${target} is still to come, it is ${other.state}`)
    const made = mayHaveMade(other) ? await file(target) : undefined
    if (made) files.push(made)
    else missing.push(`sent without the file of ${target}, which ${whyNone(other)}`)
  }
  return { files, missing: missing.length === 0 ? undefined : missing.join('; ') }
}

function isToCome({ state, isAfterThis }: OtherDelivery): boolean {
  return !isAfterThis && state !== 'delivered' && !isOver(state)
}

/** Somebody decided that it is not told, or the order was cancelled before it was. */
function isOver(state: string): boolean {
  return ['skipped', 'shed', 'cancelled'].includes(state)
}

/**
 * Whoever is told of this message may have made a file of an earlier one, which does not say what this mail says. Of
 * a target that is not, what it made of the order is all there will be.
 */
function mayHaveMade(other: OtherDelivery | undefined): boolean {
  return other === undefined || (other.state === 'delivered' && other.hasFile)
}

function whyNone(other: OtherDelivery | undefined): string {
  if (!other) return 'was not told of this'
  if (other.state === 'delivered') return 'made none'
  if (!isOver(other.state)) return 'waits for this mail'
  return other.state === 'cancelled' ? 'was withdrawn' : `was ${other.state}`
}
