import { cellSeparator } from '../chunk/split-block.ts'

/** One table row as text. With a header, each cell names its column, so that a passage in mid-table still makes sense. */
export function tableLine(cells: readonly string[], header: readonly string[] | null): string {
  return cells
    .map((cell, i) => ({
      cell: cell.replace(/\s+/g, ' ').trim(),
      column: header?.[i]?.replace(/\s+/g, ' ').trim() ?? '',
    }))
    .filter(({ cell }) => cell !== '')
    .map(({ cell, column }) => (column === '' ? cell : `${column}: ${cell}`))
    .join(cellSeparator)
}

/** The rows of a table as lines; a header of its own stays a line when there is nothing under it. */
export function tableText(rows: readonly (readonly string[])[], header: readonly string[] | null): string {
  const lines = rows.map((row) => tableLine(row, header)).filter((line) => line !== '')
  return lines.length > 0 || !header ? lines.join('\n') : tableLine(header, null)
}
