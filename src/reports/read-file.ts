import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { chunkBytes } from './report-draft.ts'

/**
 * The bytes `first` to `last` of a report's file, piece by piece as they are asked for: nothing is held between two, however
 * slow who reads them is. Throws when the report goes meanwhile.
 */
export async function* readFile(
  db: Db,
  { id, attempt }: { id: string; attempt: string },
  { first, last }: { first: number; last: number },
): AsyncGenerator<Buffer> {
  for (let number = Math.floor(first / chunkBytes); number * chunkBytes <= last; number += 1) {
    const { rows } = await sql<{ bytes: Buffer }>`
      select bytes from orderwheel.report_chunks
       where report_id = ${id}::uuid and attempt = ${attempt}::uuid and number = ${number}`.execute(
      db,
    )
    const [chunk] = rows
    if (!chunk) throw new Error(`piece ${number} of report ${id} is not there any more`)
    const begin = number * chunkBytes
    yield chunk.bytes.subarray(Math.max(0, first - begin), last + 1 - begin)
  }
}
