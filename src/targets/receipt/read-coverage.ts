/**
 * Which code points a TrueType font has glyphs for, from subtable format 12 of its `cmap`, which the fonts that we
 * ship have (OpenType 1.9, "cmap"). Throws for a font without.
 */
export function readCoverage(font: Buffer): (codePoint: number) => boolean {
  const cmap = tableAt(font, 'cmap')
  const count = font.readUInt16BE(cmap + 2)
  const places = Array.from({ length: count }, (_, n) => cmap + font.readUInt32BE(cmap + 8 + n * 8))
  const found = places.find((place) => font.readUInt16BE(place) === 12)
  if (found === undefined) throw new Error('The font has no cmap of format 12.')
  const covered = new Set<number>()
  for (let n = 0; n < font.readUInt32BE(found + 12); n += 1) {
    const group = found + 16 + n * 12
    const last = font.readUInt32BE(group + 4)
    for (let code = font.readUInt32BE(group); code <= last; code += 1) covered.add(code)
  }
  return (codePoint) => covered.has(codePoint)
}

function tableAt(font: Buffer, tag: string): number {
  for (let n = 0; n < font.readUInt16BE(4); n += 1) {
    const record = 12 + n * 16
    if (font.toString('latin1', record, record + 4) === tag) return font.readUInt32BE(record + 8)
  }
  throw new Error(`The font has no table ${tag}.`)
}
