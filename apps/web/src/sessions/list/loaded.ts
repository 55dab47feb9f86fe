/*
 * As much of the list as was read so far, kept right without reading all of it again. Pure.
 *
 * The list is read by pages with a key. A page that is read again speaks for its stretch of the order, from where
 * it began to its last row: what was known of that stretch and is not in it is gone. What lies outside stays until
 * its own page is read again, which happens when it is in view.
 *
 *   [ page 0 ][ page 1 ][ page 2 ] tail ─▶ not read yet
 *   read again: page 0 always (what is new comes there), and the pages in view
 */
import type { SessionView } from "@signalbox/contract/sessions";
import type { Sort } from "./filters.ts";

export type Place = readonly [value: string | number, id: string];
export interface Start {
  readonly cursor: string;
  /** The row before its first one; null for the very first page. */
  readonly after: Place | null;
}
export interface Loaded {
  readonly items: readonly SessionView[];
  /** Where each page that was read begins. */
  readonly starts: readonly Start[];
  /** Where the next one begins; null at the end of the list. */
  readonly tail: Start | null;
}
export interface Read {
  readonly items: readonly SessionView[];
  readonly next_cursor: string | null;
}

export const FIRST: Start = { cursor: "", after: null };
export const NOTHING: Loaded = { items: [], starts: [], tail: FIRST };

export const placeOf = (session: SessionView, sort: Sort): Place => [sort === "cost" ? session.cost_micro_usd : session[sort], session.id];
/** Negative: `a` comes first. The greatest value is on top, as the server orders. */
export const byPlace = ([a, aId]: Place, [b, bId]: Place): number => (a === b ? (aId < bId ? 1 : aId > bId ? -1 : 0) : a < b ? 1 : -1);

/** Takes in a page that was read from `start`, for the first time or again. */
export function take(loaded: Loaded, start: Start, page: Read, sort: Sort): Loaded {
  const last = page.items.at(-1);
  const end = page.next_cursor === null || last === undefined ? null : placeOf(last, sort);
  const isInStretch = (place: Place): boolean =>
    (start.after === null || byPlace(start.after, place) < 0) && (end === null || byPlace(place, end) <= 0);
  const ids = new Set<string>(page.items.map(({ id }) => id));
  const items = [...loaded.items.filter((session) => !ids.has(session.id) && !isInStretch(placeOf(session, sort))), ...page.items].sort(
    (a, b) => byPlace(placeOf(a, sort), placeOf(b, sort)),
  );
  const isNew = !loaded.starts.some(({ cursor }) => cursor === start.cursor);
  const isLast = isNew || loaded.starts.at(-1)?.cursor === start.cursor;
  const next = end === null ? null : { cursor: page.next_cursor!, after: end };
  return {
    items,
    // Nothing comes after a page that says so.
    starts: isNew
      ? [...loaded.starts, start]
      : next === null
        ? loaded.starts.slice(0, loaded.starts.findIndex(({ cursor }) => cursor === start.cursor) + 1)
        : loaded.starts,
    tail: next === null || isNew || (isLast && loaded.tail === null) ? next : loaded.tail,
  };
}

/** The page that the row at `index` belongs to. */
export function startOf(loaded: Loaded, index: number, sort: Sort): Start | undefined {
  const session = loaded.items[index];
  if (session === undefined) return undefined;
  const place = placeOf(session, sort);
  return loaded.starts.findLast(({ after }) => after === null || byPlace(after, place) < 0);
}
