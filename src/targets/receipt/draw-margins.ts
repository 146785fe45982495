import type { ReceiptView } from './describe-receipt.ts'
import type { Sheet } from './open-sheet.ts'
import { colors, paper, styles } from './paper.ts'
import { fillIn } from './receipt-words.ts'
import { wrapText } from './wrap-text.ts'

const footerWidth = 380

/** The lines at the foot of each page, and where they begin. */
export function footerOf(sheet: Sheet, { footer }: ReceiptView): { lines: string[]; top: number } {
  const lines = wrapText(sheet, footer, styles.quiet, footerWidth)
  const height = Math.max(1, lines.length) * styles.quiet.leading
  return { lines, top: paper.height - 36 - height - 18 }
}

/** What can be drawn when the number of pages is known: the foot of each, and a stamp when the order is cancelled. */
export function drawMargins(
  sheet: Sheet,
  view: ReceiptView,
  { lines, top }: ReturnType<typeof footerOf>,
): void {
  const pages = String(sheet.pages)
  for (let page = 1; page <= sheet.pages; page += 1) {
    sheet.doc.switchToPage(page - 1)
    if (view.cancelled !== null)
      drawStamp(sheet, view.words.cancelled.toLocaleUpperCase(view.language))
    sheet.line(top + 10, { color: colors.line, thickness: 0.5 })
    const first = top + 18
    for (const [n, line] of lines.entries())
      sheet.write(line, styles.quiet, { x: paper.left, y: first + n * styles.quiet.leading })
    const text = fillIn(view.words.page, { page: String(page), pages })
    sheet.write(text, styles.quiet, { x: paper.right, y: first, align: 'right', within: 110 })
  }
}

/** Across the page, faint enough to read what is below it. */
function drawStamp(sheet: Sheet, word: string): void {
  const { doc } = sheet
  const within = 620
  const width = Math.min(within, sheet.width(word, styles.stamp))
  doc.save()
  doc
    .translate(paper.width / 2, paper.height / 2)
    .rotate(-52)
    .opacity(0.1)
  sheet.write(word, styles.stamp, { x: -width / 2, y: -styles.stamp.leading / 2, within })
  doc.restore()
}
