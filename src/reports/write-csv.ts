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

/** Text that a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection"). */
function cellOf(text: string): string {
  const harmless = /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
