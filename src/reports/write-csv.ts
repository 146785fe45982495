import type { ReportWriter } from './report-writer.ts'
import { columns } from './report-columns.ts'

/** RFC 4180 in UTF-8: a header, lines that end with CR LF, what needs them in quotes. */
export function writeCsv(): ReportWriter {
  return {
    begin: () => Buffer.from(lineOf(columns.map(({ name }) => name))),
    add: (orders) =>
      Buffer.from(orders.map((order) => lineOf(columns.map(({ of }) => of(order)))).join('')),
    end: () => Buffer.alloc(0),
  }
}

function lineOf(cells: readonly string[]): string {
  return `${cells.map(cellOf).join(',')}\r\n`
}

// A spreadsheet whose language writes decimals with a comma takes `;` for the separator, and a comma and the quotes behind it
// for text: a line break inside a cell begins a line there, and a quote behind `;` opens a cell.
const cellWithin = /([;\t\r\n][\s"]*)(?=[=+\-@＝＋－＠])/g

/** What a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection"). */
function cellOf(text: string): string {
  const harmlessWithin = text.replaceAll(cellWithin, "$1'")
  const harmless = /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${harmlessWithin}` : harmlessWithin
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
