import { createHash } from 'node:crypto'

import { chunkBytes } from './report-draft.ts'

type KeepChunk = (chunk: { number: number; bytes: Uint8Array }) => Promise<void>

/** Cuts a file into pieces of `chunkBytes` as it is written. Holds less than one piece, and what it was given last. */
export function cutChunks(keep: KeepChunk) {
  const hash = createHash('sha256')
  let rest: Uint8Array = Buffer.alloc(0)
  let number = 0

  async function keepNext(bytes: Uint8Array) {
    await keep({ number, bytes })
    number += 1
  }

  return {
    async write(bytes: Uint8Array) {
      hash.update(bytes)
      let all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      while (all.length >= chunkBytes) {
        await keepNext(all.subarray(0, chunkBytes))
        all = all.subarray(chunkBytes)
      }
      // A copy: a few bytes must not keep all that they are a part of.
      rest = Uint8Array.from(all)
    },
    /** Answers the file's SHA-256. */
    async end(): Promise<Buffer> {
      if (rest.length > 0) await keepNext(rest)
      return hash.digest()
    },
  }
}
