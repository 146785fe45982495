import type { ReceiptView } from './describe-receipt.ts'
import type { Sheet } from './open-sheet.ts'
import { colors, paper, type Style, styles } from './paper.ts'
import { wrapText } from './wrap-text.ts'

const half = (paper.right - paper.left) / 2 - 12
const middle = paper.left + half + 24

/** Who sells, what this is, and to whom. */
export function drawHeading(sheet: Sheet, view: ReceiptView): void {
  const { seller, title, facts, billTo, shipTo, words, cancelled } = view
  const begin = sheet.y
  drawFacts(sheet, title, facts)
  const factsEnd = sheet.y
  sheet.y = begin + 6
  drawBlock(sheet, [seller.name], { style: styles.seller, x: paper.left })
  drawBlock(sheet, seller.lines, { style: styles.quiet, x: paper.left })
  sheet.y = Math.max(sheet.y, factsEnd) + 26

  const addresses = sheet.y
  drawAddress(sheet, words.billTo, billTo, paper.left)
  const billEnd = sheet.y
  if (shipTo) {
    sheet.y = addresses
    drawAddress(sheet, words.shipTo, shipTo, middle)
  }
  sheet.y = Math.max(sheet.y, billEnd) + 22
  if (cancelled !== null) drawCancelled(sheet, cancelled)
}

function drawFacts(sheet: Sheet, title: string, facts: ReceiptView['facts']): void {
  for (const line of wrapText(sheet, title, styles.title, half)) {
    sheet.write(line, styles.title, { x: paper.right, align: 'right' })
    sheet.y += styles.title.leading
  }
  sheet.y += 4
  for (const [name, value] of facts) {
    sheet.write(name, styles.quiet, { x: middle, y: sheet.y + 1, within: half * 0.4 })
    sheet.write(value, styles.strong, { x: paper.right, align: 'right', within: half * 0.6 })
    sheet.y += styles.strong.leading + 1
  }
}

function drawAddress(sheet: Sheet, label: string, lines: readonly string[], x: number): void {
  sheet.write(label, styles.label, { x, within: half })
  sheet.y += styles.label.leading + 2
  drawBlock(sheet, lines, { style: styles.body, x })
}

function drawBlock(
  sheet: Sheet,
  texts: readonly string[],
  { style, x }: { style: Style; x: number },
): void {
  for (const line of texts.flatMap((text) => wrapText(sheet, text, style, half))) {
    sheet.write(line, style, { x })
    sheet.y += style.leading
  }
}

function drawCancelled(sheet: Sheet, sentence: string): void {
  const { doc } = sheet
  const lines = wrapText(sheet, sentence, styles.alarm, paper.right - paper.left - 28)
  const height = lines.length * styles.alarm.leading + 14
  doc.rect(paper.left, sheet.y, paper.right - paper.left, height).fill('#fbeceb')
  doc.rect(paper.left, sheet.y, 3, height).fill(colors.alarm)
  const end = sheet.y + height
  sheet.y += 7
  for (const line of lines) {
    sheet.write(line, styles.alarm, { x: paper.left + 16 })
    sheet.y += styles.alarm.leading
  }
  sheet.y = end + 18
}
