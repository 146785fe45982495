import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { chunkBytes } from './report-draft.ts'

export type FilePart = {
  id: string
  attempt: string
  /** The first and the last byte that are wanted. */
  first: number
  last: number
}

/** Runs the reading of a piece when its turn has come. */
type InTurn = (read: () => Promise<Buffer | undefined>) => Promise<Buffer | undefined>

/**
 * Bytes of a report's file, piece by piece as they are asked for: nothing is held between two, however slow who reads them is.
 * Throws when the report goes meanwhile. Undefined: it is gone already.
 */
export async function readFile(
  db: Db,
  part: FilePart,
  inTurn: InTurn = (read) => read(),
): Promise<AsyncGenerator<Buffer> | undefined> {
  const read = (number: number) => inTurn(() => readPiece(db, part, number))
  const piece = await read(Math.floor(part.first / chunkBytes))
  return piece && readOn(part, piece, read)
}

async function* readOn(
  { id, first, last }: FilePart,
  piece: Buffer,
  read: (number: number) => Promise<Buffer | undefined>,
): AsyncGenerator<Buffer> {
  let number = Math.floor(first / chunkBytes)
  for (let bytes: Buffer | undefined = piece; bytes;) {
    const begin = number * chunkBytes
    yield bytes.subarray(Math.max(0, first - begin), last + 1 - begin)
    number += 1
    if (number * chunkBytes > last) return
    bytes = await read(number)
  }
  throw new Error(`piece ${number} of report ${id} is not there any more`)
}

async function readPiece(
  db: Db,
  { id, attempt }: FilePart,
  number: number,
): Promise<Buffer | undefined> {
  const { rows } = await sql<{ bytes: Buffer }>`
    select bytes from orderwheel.report_chunks
     where report_id = ${id}::uuid and attempt = ${attempt}::uuid and number = ${number}`.execute(
    db,
  )
  return rows[0]?.bytes
}
