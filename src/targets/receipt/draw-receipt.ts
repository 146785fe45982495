import type { ReceiptView } from './describe-receipt.ts'
import { drawHeading } from './draw-heading.ts'
import { drawItems } from './draw-items.ts'
import { drawMargins, footerOf } from './draw-margins.ts'
import { drawSums } from './draw-sums.ts'
import type { Sheet } from './open-sheet.ts'

/** Draws a receipt on as many pages as it takes. */
export function drawReceipt(sheet: Sheet, view: ReceiptView): void {
  const footer = footerOf(sheet, view)
  sheet.bottom = footer.top
  sheet.addPage()
  drawHeading(sheet, view)
  drawItems(sheet, view)
  drawSums(sheet, view)
  drawMargins(sheet, view, footer)
}
