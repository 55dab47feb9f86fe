import type { z } from "zod";

/** Not a cursor of ours, or of another list: the HTTP shell answers 400 `invalid_cursor`. */
export class InvalidCursor extends Error {
  override name = "InvalidCursor";
}

/** Opaque to clients: the sort key of a page's last row. */
export const encodeCursor = (key: readonly (string | number)[]): string => Buffer.from(JSON.stringify(key)).toString("base64url");

/** Null when there is none. Throws `InvalidCursor`. */
export function decodeCursor<T extends z.ZodType>(cursor: string | undefined, key: T): z.output<T> | null {
  if (cursor === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch (cause) {
    throw new InvalidCursor("not base64url of JSON", { cause });
  }
  const parsed = key.safeParse(value);
  if (!parsed.success) throw new InvalidCursor("not a cursor of this list");
  return parsed.data;
}

/** `rows` was read with `limit + 1`: the extra row only tells that there is more. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  key: (row: Row) => readonly (string | number)[],
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(item), next_cursor: rows.length > limit && last !== undefined ? encodeCursor(key(last)) : null };
}
