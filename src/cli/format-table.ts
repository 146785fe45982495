import { printable } from '#base/printable.ts'

type Row = readonly (string | number)[]

/** Columns for a terminal, two spaces apart; the first row is the head. Numbers go to the right. */
export function formatTable(given: readonly Row[]): string {
  const rows: Row[] = given.map((row) =>
    row.map((cell) => (typeof cell === 'string' ? printable(cell) : cell)),
  )
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, String(cell).length)
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
