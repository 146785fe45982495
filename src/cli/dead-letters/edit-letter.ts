import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import { type Context, usageError } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { isUuid } from '#cli/orders/read-story.ts'
import { withDatabase } from '#cli/with-database.ts'
import { loadConfig } from '#config/load-config.ts'
import { type LetterRequest, readRequest } from '#dead-letters/read-request.ts'
import { writeEdited } from '#dead-letters/write-edited.ts'

import { type Edited, editText, readEditedFile } from './edit-text.ts'
import type { ReplayLetters } from './replay-letters.ts'

type How = {
  command: string
  ids: readonly string[]
  edit: boolean | undefined
  file: string | undefined
  dryRun: boolean
  reason: string | null
}

/**
 * Lets the operator correct the request of one letter before it is replayed, in an editor or from a file, and answers
 * what writes it down. What is wrong is refused before anything changes. Undefined: it was left as it was.
 */
export async function letEdit(how: How, context: Context): Promise<ReplayLetters['edit']> {
  const { command, ids, edit, file, dryRun, reason } = how
  const [id, another] = ids
  if (edit && file !== undefined)
    throw usageError(command, 'it takes --edit or --edit-file, not both')
  if (dryRun)
    throw usageError(command, '--dry-run changes nothing: leave out --edit and --edit-file')
  if (id === undefined || another !== undefined)
    throw usageError(command, '--edit and --edit-file are for one letter: give its id')
  const request = await findRequest({ command, id }, context)
  const edited =
    file === undefined
      ? await editText(
          { text: request.text, extension: request.format === 'json' ? 'json' : 'txt' },
          context.environment.variables,
        )
      : await readEditedFile(file)
  const read = request.editing.read(edited.text, request.format)
  if ('mistake' in read) throw refuse(read.mistake, id, edited)
  // What was edited once is sent again only when somebody asks for it.
  if (edited.text === request.text && !request.isEdited) {
    await edited.forget()
    context.warn('It is as it was: nothing was changed, and nothing is replayed.')
    return undefined
  }
  await edited.forget()
  const written = { letterId: id, request, text: edited.text, edited: read.edited }
  return (tx) => writeEdited(tx, { ...written, who: operator(), reason })
}

/** An hour of work in the editor is not thrown away for a comma. */
function refuse(mistake: string, id: string, { file }: Edited): OrderwheelError {
  const kept =
    file === null
      ? ''
      : ` Mend ${file}, then: orderwheel dead-letters replay ${id} --edit-file ${file}`
  return new OrderwheelError('usage', `${mistake} Nothing was changed.${kept}`)
}

/** Prints the request of one letter, as text to be edited. */
export async function printRequest(
  { command, id, json }: { command: string; id: string; json: boolean },
  context: Context,
): Promise<number> {
  const { editing: _, kind: __, ...request } = await findRequest({ command, id }, context)
  const shown = process.stdout.isTTY ? printableLines(request.text) : request.text
  context.print(json ? printableJson({ letterId: id, ...request }) : shown)
  return 0
}

/** By the current configuration. Throws `not-found` with the reason when there is none to be edited. */
async function findRequest(
  { command, id }: { command: string; id: string },
  { environment }: Context,
): Promise<LetterRequest> {
  if (!isUuid(id))
    throw usageError(command, `"${id}" is no id of a dead letter: see orderwheel dead-letters list`)
  const { configFile: path, variables } = environment
  const { targets } = await loadConfig({ path, environment: variables })
  try {
    const found = await withDatabase(environment, ({ db }) => readRequest(db, targets, id))
    switch (found.kind) {
      case 'request':
        return found
      case 'unknown':
        throw new OrderwheelError('not-found', `There is no dead letter ${id}.`)
      case 'not-editable':
        throw new OrderwheelError('not-found', printable(found.why))
      default:
        return found satisfies never
    }
  } finally {
    await Promise.all(targets.map((target) => target.close()))
  }
}

/** Into a file goes what is sent, byte for byte; a terminal must not be told what to do. */
function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
