/** Rows to columns, the shape that `unnest` wants. */
export function columns<R>(rows: readonly R[], row: (r: R) => readonly unknown[]): unknown[][] {
  const table = rows.map(row);
  return (table[0] ?? []).map((_, i) => table.map((r) => r[i]));
}
