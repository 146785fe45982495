import Pdf from 'pdfkit'

import { decimalAmount } from './decimal-amount.ts'
import type { ReportedOrder } from './read-orders.ts'
import type { ReportTitle, ReportWriter } from './report-writer.ts'
import type { Sum } from './sum-orders.ts'

/**
 * A table on A4, with its header and a number on each page, and the sums of each currency at the end. Pages are written as
 * they are full. The fonts are those every reader has: there is nothing in it but ASCII.
 */
export function writePdf({ from, to, requestedAt }: ReportTitle): ReportWriter {
  const doc = new Pdf({
    size: 'A4',
    margin: 0,
    autoFirstPage: false,
    lang: 'en',
    displayTitle: true,
    // The same bytes of the same orders, whoever begins anew.
    info: {
      Title: `Orders ${day(from)} to ${day(to)}`,
      Creator: 'Orderwheel',
      CreationDate: requestedAt,
    },
  })
  let y = bottom
  let page = 0
  let header: readonly Cell[] = orderCells

  function row(cells: readonly Cell[], texts: readonly string[], font = plain) {
    doc.font(font)
    for (const [n, { x, width, align }] of cells.entries()) {
      const text = texts[n]?.replaceAll(/[^\x20-\x7E]/g, '?') ?? ''
      // Smaller, rather than cut: a number without its end is another number.
      const size = Math.min(
        textSize,
        (textSize * width) / (doc.fontSize(textSize).widthOfString(text) || 1),
      )
      const left = align === 'left' ? x : x + width - doc.fontSize(size).widthOfString(text)
      doc.fontSize(size).text(text, left, y, { lineBreak: false })
    }
    y += rowHeight
  }

  function newPage() {
    doc.addPage()
    page += 1
    y = top
    doc
      .font(bold)
      .fontSize(11)
      .text(`Orders received from ${minute(from)} to ${minute(to)} (UTC)`, left, y, {
        lineBreak: false,
      })
    doc
      .font(plain)
      .fontSize(textSize)
      .text(`Page ${page}`, left, bottom + rowHeight, { lineBreak: false })
    y += 2 * rowHeight
    row(
      header,
      header.map(({ name }) => name),
      bold,
    )
    doc
      .moveTo(left, y - 2)
      .lineTo(right, y - 2)
      .lineWidth(0.5)
      .stroke()
  }

  function line(cells: readonly Cell[], texts: readonly string[]) {
    if (y + rowHeight > bottom) newPage()
    row(cells, texts)
  }

  return {
    begin() {
      newPage()
      return written(doc)
    },
    add(orders) {
      for (const order of orders)
        line(
          orderCells,
          orderCells.map(({ of }) => of(order)),
        )
      return written(doc)
    },
    end(sums) {
      header = sumCells
      newPage()
      for (const sum of sums)
        line(
          sumCells,
          sumCells.map(({ of }) => of(sum)),
        )
      doc.end()
      return written(doc)
    },
  }
}

/** What it wrote since it was asked last: it is never waited for, so that all of it is there. */
function written(doc: PDFKit.PDFDocument): Buffer {
  const bytes: unknown = doc.read()
  return Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0)
}

const plain = 'Helvetica'
const bold = 'Helvetica-Bold'
const textSize = 7.5
// In points, from the top left of 595 × 842.
const rowHeight = 12
const top = 40
const bottom = 790
const left = 36
const right = 559

type Cell = { name: string; x: number; width: number; align: 'left' | 'right' }
type CellOf<T> = Cell & { of: (row: T) => string }

const orderCells: readonly CellOf<ReportedOrder>[] = [
  { name: 'Received', x: 36, width: 62, align: 'left', of: ({ receivedAt }) => minute(receivedAt) },
  { name: 'Order', x: 102, width: 126, align: 'left', of: ({ externalId }) => externalId },
  { name: 'State', x: 232, width: 66, align: 'left', of: stateOf },
  { name: 'Payment', x: 302, width: 52, align: 'left', of: ({ payment }) => payment.status },
  { name: 'Quantity', x: 358, width: 42, align: 'right', of: ({ quantity }) => String(quantity) },
  {
    name: 'Tax',
    x: 404,
    width: 60,
    align: 'right',
    of: ({ totals, currency }) => decimalAmount(totals.tax, currency),
  },
  {
    name: 'Total',
    x: 468,
    width: 66,
    align: 'right',
    of: ({ totals, currency }) => decimalAmount(totals.total, currency),
  },
  { name: '', x: 538, width: 21, align: 'left', of: ({ currency }) => currency },
]

const sumCells: readonly CellOf<Sum>[] = [
  { name: 'Currency', x: 36, width: 60, align: 'left', of: ({ currency }) => currency },
  { name: 'Orders', x: 100, width: 60, align: 'right', of: ({ orders }) => String(orders) },
  {
    name: 'Cancelled',
    x: 164,
    width: 60,
    align: 'right',
    of: ({ cancelled }) => String(cancelled),
  },
  { name: 'Not paid', x: 228, width: 60, align: 'right', of: ({ unpaid }) => String(unpaid) },
  { name: 'Tax of orders', x: 292, width: 120, align: 'right', of: ({ tax }) => tax },
  { name: 'Total of orders', x: 416, width: 143, align: 'right', of: ({ total }) => total },
]

function stateOf({ state, cancelledAt }: ReportedOrder): string {
  return cancelledAt === null ? state : 'cancelled'
}

function minute(time: Date): string {
  return time.toISOString().slice(0, 16).replace('T', ' ')
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}
