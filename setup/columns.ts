/**
 * Prints rows in columns that are aligned, two spaces apart, one line a row. A row may have fewer cells than others. No
 * line ends in spaces.
 *
 * @param right the indexes of the columns that are aligned at their right, such as numbers; none by default
 */
export function printColumns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  const align = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(align).join("  ").trimEnd());
}
