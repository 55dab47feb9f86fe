import { canonicalJson, type Json } from "@signalbox/kernel/canonical";

/** Rows to columns, the shape that `unnest` wants. */
export function columns<R>(rows: readonly R[], row: (r: R) => readonly unknown[]): unknown[][] {
  const table = rows.map(row);
  return (table[0] ?? []).map((_, i) => table.map((r) => r[i]));
}

/**
 * The one text of a value, whatever order its members are in: an event has them as its decider wrote them when it is
 * projected, and sorted when it is read back.
 */
export const jsonText = (value: object): string => canonicalJson(JSON.parse(JSON.stringify(value)) as Json);
