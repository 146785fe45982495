import type { Sheet } from './open-sheet.ts'
import type { Style } from './paper.ts'

/** A text in lines of at most `within` points: broken between words, and inside those that are longer than a line. */
export function wrapText(sheet: Sheet, text: string, style: Style, within: number): string[] {
  const lines: string[] = []
  const space = sheet.width(' ', style)
  let line = ''
  let taken = 0
  for (const word of text.split(' ')) {
    if (word === '') continue
    for (const part of partsOf(sheet, word, style, within)) {
      const width = sheet.width(part.text, style)
      const glue = part.begins && line !== '' ? space : 0
      if (line !== '' && (taken + glue + width > within || !part.begins)) {
        lines.push(line)
        line = part.text
        taken = width
      } else {
        line += glue > 0 ? ` ${part.text}` : part.text
        taken += glue + width
      }
    }
  }
  return line === '' ? lines : [...lines, line]
}

type Part = { text: string; begins: boolean }

/** A word as a whole, or in parts that fill a line each. */
function partsOf(sheet: Sheet, word: string, style: Style, within: number): Part[] {
  if (word.length < 200 && sheet.width(word, style) <= within) return [{ text: word, begins: true }]
  const parts: Part[] = []
  let text = ''
  let taken = 0
  for (const { segment } of graphemes.segment(word)) {
    const width = sheet.width(segment, style)
    if (text !== '' && taken + width > within) {
      parts.push({ text, begins: parts.length === 0 })
      text = ''
      taken = 0
    }
    text += segment
    taken += width
  }
  return [...parts, { text, begins: parts.length === 0 }]
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
