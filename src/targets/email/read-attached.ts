import type { MadeFile } from '#targets/outcome.ts'
import type { Call } from '#targets/target.ts'

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
  // Asked before the files: what was told by now has made what it makes. A target that was told nothing of this message
  // may have made a file of an earlier one, which does not say what this mail says.
  const { untold } = await standing()
  const files: MadeFile[] = []
  const missing: string[] = []
  for (const target of attach) {
    const state = untold.find((one) => one.target === target)?.state
    if (state !== undefined && !isOver(state))
      return new Error(`not sent: the file of ${target} is still to come, it is ${state}`)
    const made = state === undefined ? await file(target) : undefined
    if (made) files.push(made)
    else missing.push(`sent without the file of ${target}, which ${whyNone(state)}`)
  }
  return { files, missing: missing.length === 0 ? undefined : missing.join('; ') }
}

/** Somebody decided that it is not told, or the order was cancelled before it was. */
function isOver(state: string): boolean {
  return ['skipped', 'shed', 'cancelled'].includes(state)
}

function whyNone(state: string | undefined): string {
  if (state === undefined) return 'made none'
  return state === 'cancelled' ? 'was withdrawn' : `was ${state}`
}
