import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readStream } from 'node:stream/consumers'

import type { Variables } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'

export type Edited = {
  text: string
  /** Where it is; null: on standard input. */
  file: string | null
  /** Removes what was made for the editor. */
  forget(): Promise<void>
}

/** Opens the text in `$VISUAL` or `$EDITOR`, else vi, in a folder that only this user may read. Throws `usage`. */
export async function editText(
  given: { text: string; extension: string },
  variables: Variables,
): Promise<Edited> {
  const editor = variables['VISUAL'] || variables['EDITOR'] || 'vi'
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-edit-'))
  const file = join(folder, `request.${given.extension}`)
  const forget = () => rm(folder, { recursive: true, force: true })
  try {
    await writeFile(file, given.text, { mode: 0o600 })
    await runEditor(editor, file)
    return { text: sameEnd(await readFile(file, 'utf8'), given.text), file, forget }
  } catch (error) {
    await forget()
    throw error
  }
}

/** Reads what was edited elsewhere; `-`: from standard input. Throws `usage`. */
export async function readEditedFile(path: string): Promise<Edited> {
  const forget = async () => {}
  if (path === '-') return { text: await readStream(process.stdin), file: null, forget }
  try {
    return { text: await readFile(path, 'utf8'), file: path, forget }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new OrderwheelError('usage', `--edit-file ${path} cannot be read: ${why}`)
  }
}

// By a shell: $EDITOR may have arguments, as in "code --wait".
async function runEditor(editor: string, file: string): Promise<void> {
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return
  throw new OrderwheelError(
    'usage',
    `The editor ("${editor}") ended with ${code}: nothing was changed.`,
  )
}

/** Editors end a text with a line break that was not there. */
function sameEnd(edited: string, given: string): string {
  return given.endsWith('\n') ? edited : edited.replace(/\r?\n$/, '')
}
