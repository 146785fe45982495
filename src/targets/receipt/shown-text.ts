/**
 * Text as the fonts can show it, on one line: what they lack (emoji, Chinese, Arabic) becomes `�` per character, so
 * that it can be seen; what nobody sees, such as characters that turn the writing direction, goes.
 */
export function shownText(text: string, covers: (codePoint: number) => boolean): string {
  const plain = text.normalize('NFC').replaceAll(space, ' ')
  const seen = plain.replaceAll(unseen, '')
  if (isCovered(seen, covers)) return seen
  return Array.from(graphemes.segment(plain), ({ segment }) => {
    const part = segment.replaceAll(unseen, '')
    return isCovered(part, covers) ? part : '\uFFFD'
  }).join('')
}

const space = /[\s\p{Zl}\p{Zp}]/gu

// Format characters and variation selectors.
const unseen = /[\p{Cf}\uFE00-\uFE0F]/gu

// What people take for one character: a family of four emoji is one.
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

function isCovered(text: string, covers: (codePoint: number) => boolean): boolean {
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0
    // A control character is none that can be shown, whatever a font says.
    if (codePoint < 32 || (codePoint >= 127 && codePoint < 160) || !covers(codePoint)) return false
  }
  return true
}
