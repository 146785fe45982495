import { readFileSync } from 'node:fs'

/** A font, and whether it has a glyph for a code point. */
export type PlainFont = { bytes: Buffer; covers: (codePoint: number) => boolean }

/**
 * A TrueType font without what shapes texts: kerning, ligatures, and scripts whose letters change with their
 * neighbours, which it then does not cover. Read for every document, those tables take four fifths of the time of a
 * receipt, and Latin, Greek and Cyrillic do well without. Throws for a font without a `cmap` of format 12.
 */
export function plainFont(path: string): PlainFont {
  const bytes = readFileSync(path)
  const { hidden, cmap } = readTables(bytes)
  // A table by another name is one that nobody looks for.
  for (const record of hidden) bytes.write('x', record, 'latin1')
  const covered = readCoverage(bytes, cmap)
  return { bytes, covers: (codePoint) => covered.has(codePoint) }
}

/** The directory of tables: OpenType 1.9, "Organization of an OpenType Font". */
function readTables(font: Buffer): { hidden: number[]; cmap: number } {
  const records = Array.from({ length: font.readUInt16BE(4) }, (_, n) => 12 + n * 16)
  const tagAt = (record: number) => font.toString('latin1', record, record + 4)
  const cmap = records.find((record) => tagAt(record) === 'cmap')
  if (cmap === undefined) throw new Error('The font has no table cmap.')
  const hidden = records.filter((record) => ['GSUB', 'GPOS', 'GDEF'].includes(tagAt(record)))
  return { hidden, cmap: font.readUInt32BE(cmap + 8) }
}

/** The code points of subtable format 12: OpenType 1.9, "cmap". */
function readCoverage(font: Buffer, cmap: number): Set<number> {
  const count = font.readUInt16BE(cmap + 2)
  const places = Array.from({ length: count }, (_, n) => cmap + font.readUInt32BE(cmap + 8 + n * 8))
  const found = places.find((place) => font.readUInt16BE(place) === 12)
  if (found === undefined) throw new Error('The font has no cmap of format 12.')
  const covered = new Set<number>()
  for (let n = 0; n < font.readUInt32BE(found + 12); n += 1) {
    const group = found + 16 + n * 12
    const last = font.readUInt32BE(group + 4)
    for (let code = font.readUInt32BE(group); code <= last; code += 1) {
      if (!needsShaping.test(String.fromCodePoint(code))) covered.add(code)
    }
  }
  return covered
}

// Of the scripts that Noto Sans has.
const needsShaping = /\p{Script_Extensions=Devanagari}/u
