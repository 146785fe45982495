import Pdf from 'pdfkit'

import { paper, type Style } from './paper.ts'

/** What a PDF says of itself. */
export type SheetTitle = { title: string; author: string; language: string; createdAt: Date }

export type Sheet = {
  doc: PDFKit.PDFDocument
  /** The top of what comes next. */
  y: number
  /** Where the room of a page ends. */
  bottom: number
  pages: number
  /** Draws what every page but the first begins with. */
  continuePage: () => void
  addPage(): void
  /** Sees to it that so many points fit below `y`. */
  room(height: number): void
  /** In points, without kerning across spaces. */
  width(text: string, style: Style): number
  /** One line with its top at `y`: to the right of `x`, or to its left. Smaller where it would not fit `within`. */
  write(text: string, style: Style, place: Place): void
  line(y: number, stroke: Stroke): void
}

/**
 * A PDF that is drawn line by line, with y growing downwards. What lies between `top` and `bottom` flows: `room`
 * begins a page when there is none. Every text has to be one the fonts can show (shownText).
 */
export function openSheet(
  fonts: Record<Style['font'], Buffer>,
  { title, author, language, createdAt }: SheetTitle,
): Sheet {
  const doc = new Pdf({
    size: [paper.width, paper.height],
    margin: 0,
    autoFirstPage: false,
    // Kept until the end, for "page 1 of 9".
    bufferPages: true,
    lang: language,
    displayTitle: true,
    // Whatever else it would say, the time, would make another file of the same order.
    info: { Title: title, Author: author, Creator: 'Orderwheel', CreationDate: createdAt },
  })
  doc.registerFont('regular', fonts.regular)
  doc.registerFont('bold', fonts.bold)
  const widths = new Map<string, number>()
  const sheet: Sheet = {
    doc,
    y: paper.top,
    bottom: paper.height - paper.top,
    pages: 0,
    continuePage: () => {},
    addPage() {
      doc.addPage()
      sheet.pages += 1
      sheet.y = paper.top
      if (sheet.pages > 1) sheet.continuePage()
    },
    room(height) {
      if (sheet.y + height > sheet.bottom) sheet.addPage()
    },
    width(text, { font, size }) {
      const key = `${font} ${text}`
      let width = widths.get(key)
      if (width === undefined) {
        width = doc.font(font).fontSize(1_000).widthOfString(text) / 1_000
        widths.set(key, width)
      }
      return width * size
    },
    write(text, style, { x, y = sheet.y, ...place }) {
      const { align = 'left', within = Infinity } = place
      const width = sheet.width(text, style)
      const size = Math.min(style.size, (style.size * within) / width)
      const left = align === 'left' ? x : x - (width * size) / style.size
      doc.font(style.font).fontSize(size).fillColor(style.color)
      doc.text(text, left, y, { lineBreak: false })
    },
    line(y, { color, thickness, from = paper.left }) {
      doc.moveTo(from, y).lineTo(paper.right, y).lineWidth(thickness).strokeColor(color).stroke()
    },
  }
  return sheet
}

type Place = { x: number; y?: number; align?: 'left' | 'right'; within?: number }

type Stroke = { color: string; thickness: number; from?: number }
