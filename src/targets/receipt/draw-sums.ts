import type { ReceiptView } from './describe-receipt.ts'
import type { Sheet } from './open-sheet.ts'
import { colors, paper, styles } from './paper.ts'
import type { SumLine } from './sum-lines.ts'
import { wrapText } from './wrap-text.ts'

const left = 290
const amountWidth = 110
const nameWidth = paper.right - left - amountWidth - 12

/** From the subtotal to the total and how it is paid: kept together if it fits on a page. */
export function drawSums(sheet: Sheet, { sums, payment }: ReceiptView): void {
  const rows = sums.map((sum) => ({
    sum,
    names: wrapText(sheet, sum.name, styleOf(sum), nameWidth),
  }))
  const height = rows.reduce(
    (all, { sum, names }) => all + names.length * styleOf(sum).leading + 14,
    40,
  )
  if (height <= sheet.bottom - paper.top - 60) sheet.room(height)
  sheet.y += 10
  for (const { sum, names } of rows) drawSum(sheet, sum, names)
  if (payment === null) return
  sheet.y += 8
  for (const line of wrapText(sheet, payment, styles.quiet, paper.right - left)) {
    sheet.room(styles.quiet.leading)
    sheet.write(line, styles.quiet, { x: paper.right, align: 'right' })
    sheet.y += styles.quiet.leading
  }
}

function drawSum(sheet: Sheet, sum: SumLine, names: readonly string[]): void {
  const style = styleOf(sum)
  const isTotal = sum.is === 'total'
  sheet.room(style.leading + 14)
  if (isTotal) {
    sheet.y += 5
    sheet.line(sheet.y, { color: colors.ink, thickness: 0.8, from: left })
    sheet.y += 6
  }
  const right = { x: paper.right, align: 'right', within: amountWidth } as const
  sheet.write(sum.amount, style, right)
  for (const name of names) {
    sheet.room(style.leading)
    sheet.write(name, style, { x: left })
    sheet.y += style.leading
  }
  sheet.y += isTotal ? 6 : 2
}

function styleOf({ is }: SumLine) {
  switch (is) {
    case 'part':
      return styles.body
    case 'total':
      return styles.total
    case 'included':
      return styles.quiet
    default:
      return is satisfies never
  }
}
