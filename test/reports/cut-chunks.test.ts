import { createHash, randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'

import { cutChunks } from '#reports/cut-chunks.ts'
import { chunkBytes } from '#reports/report-draft.ts'

test('a file is cut into pieces of one length, whatever it is written in', async () => {
  const file = randomBytes(3 * chunkBytes + 7)
  for (const step of [1_000, chunkBytes, chunkBytes - 1, 2 * chunkBytes + 1, file.length]) {
    const kept: Buffer[] = []
    const chunks = cutChunks(async ({ number, bytes }) => {
      expect(number).toBe(kept.length)
      kept.push(Buffer.from(bytes))
    })
    for (let at = 0; at < file.length; at += step) await chunks.write(file.subarray(at, at + step))
    const digest = await chunks.end()
    expect(kept.map(({ length }) => length)).toEqual([chunkBytes, chunkBytes, chunkBytes, 7])
    expect(Buffer.concat(kept)).toEqual(file)
    expect(digest).toEqual(createHash('sha256').update(file).digest())
  }
})

test('nothing is left over of a file that ends with a whole piece', async () => {
  const kept: number[] = []
  const chunks = cutChunks(async ({ bytes }) => void kept.push(bytes.length))
  await chunks.write(randomBytes(chunkBytes))
  await chunks.end()
  expect(kept).toEqual([chunkBytes])
})
