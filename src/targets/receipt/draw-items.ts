import type { ItemLine, ReceiptView } from './describe-receipt.ts'
import type { Sheet } from './open-sheet.ts'
import { colors, paper, type Style, styles } from './paper.ts'
import { wrapText } from './wrap-text.ts'

/** Where columns of numbers end, and how wide they are. The articles have what is left. */
const columns = {
  quantity: { right: 306, width: 44 },
  unitPrice: { right: 399, width: 87 },
  taxRate: { right: 441, width: 38 },
  amount: { right: paper.right, width: 98 },
}
const titleWidth = columns.quantity.right - columns.quantity.width - paper.left - 10

/** The table of items, its header again on each page. */
export function drawItems(sheet: Sheet, view: ReceiptView): void {
  const drawHeader = () => drawColumnNames(sheet, view)
  sheet.room(60)
  drawHeader()
  sheet.continuePage = () => {
    drawRunningTitle(sheet, view)
    drawHeader()
  }
  const page = sheet.bottom - paper.top - 60
  for (const item of view.items) drawItem(sheet, item, page)
  sheet.line(sheet.y, { color: colors.ink, thickness: 0.8 })
  sheet.continuePage = () => drawRunningTitle(sheet, view)
}

function drawRunningTitle(sheet: Sheet, { title, number, seller }: ReceiptView): void {
  sheet.write(`${title} ${number}`, styles.strong, { x: paper.left, within: 260 })
  const right = { x: paper.right, align: 'right', within: 220 } as const
  sheet.write(seller.name, styles.quiet, { ...right, y: sheet.y + 1 })
  sheet.y += styles.strong.leading + 14
}

function drawColumnNames(sheet: Sheet, { words }: ReceiptView): void {
  sheet.write(words.item, styles.label, { x: paper.left, within: titleWidth })
  for (const name of ['quantity', 'unitPrice', 'amount'] as const)
    writeCell(sheet, words[name], styles.label, columns[name])
  writeCell(sheet, words.tax, styles.label, columns.taxRate)
  sheet.y += styles.label.leading + 4
  sheet.line(sheet.y, { color: colors.ink, thickness: 0.8 })
}

type Line = { text: string; style: Style }

/** Kept together on one page if it fits on one. */
function drawItem(sheet: Sheet, item: ItemLine, page: number): void {
  const lines: Line[] = [
    ...linesOf(sheet, item.title, styles.body),
    ...item.details.flatMap((text) => linesOf(sheet, text, styles.quiet)),
  ]
  const height = lines.reduce((sum, { style }) => sum + style.leading, 0) + 2 * padding
  if (height <= page) sheet.room(height)
  sheet.y += padding
  for (const [n, { text, style }] of lines.entries()) {
    sheet.room(style.leading)
    if (n === 0) drawNumbers(sheet, item)
    sheet.write(text, style, { x: paper.left })
    sheet.y += style.leading
  }
  sheet.y += padding
  sheet.line(sheet.y, { color: colors.line, thickness: 0.5 })
}

const padding = 5

function linesOf(sheet: Sheet, text: string, style: Style): Line[] {
  return wrapText(sheet, text, style, titleWidth).map((line) => ({ text: line, style }))
}

function drawNumbers(sheet: Sheet, { quantity, unitPrice, taxRate, amount }: ItemLine): void {
  writeCell(sheet, quantity, styles.body, columns.quantity)
  writeCell(sheet, unitPrice, styles.body, columns.unitPrice)
  writeCell(sheet, taxRate, styles.body, columns.taxRate)
  writeCell(sheet, amount, styles.body, columns.amount)
}

function writeCell(
  sheet: Sheet,
  text: string,
  style: Style,
  { right, width }: { right: number; width: number },
): void {
  if (text !== '') sheet.write(text, style, { x: right, align: 'right', within: width })
}
