import type { SessionView } from "@signalbox/contract/sessions";
import { expect, test } from "vitest";
import { FIRST, NOTHING, startOf, take, type Loaded, type Read } from "./loaded.ts";

const PAGE = 3;
/** A server with sessions of these numbers, the greatest first. */
const serverOf =
  (numbers: readonly number[]) =>
  (cursor: string): Read => {
    const all = numbers.toSorted((a, b) => b - a).filter((n) => cursor === "" || n < Number(cursor));
    const items = all.slice(0, PAGE);
    return { items: items.map(session), next_cursor: all.length > PAGE ? String(items.at(-1)) : null };
  };
const session = (n: number): SessionView => ({ id: `ses_${n}`, cost_micro_usd: n, title: `v${n}` }) as unknown as SessionView;
const shown = (loaded: Loaded): number[] => loaded.items.map(({ cost_micro_usd }) => cost_micro_usd);
const readAll = (read: (cursor: string) => Read, pages: number): Loaded => {
  let loaded = NOTHING;
  for (let i = 0; i < pages && loaded.tail !== null; i++) loaded = take(loaded, loaded.tail, read(loaded.tail.cursor), "cost");
  return loaded;
};

test("pages follow one another to the end", () => {
  const loaded = readAll(serverOf([1, 2, 3, 4, 5, 6, 7]), 9);
  expect(shown(loaded)).toEqual([7, 6, 5, 4, 3, 2, 1]);
  expect(loaded.starts).toHaveLength(3);
  expect(loaded.tail).toBeNull();
});

test("what is new on top pushes nothing out between the pages", () => {
  const loaded = readAll(serverOf([1, 2, 3, 4, 5, 6, 7]), 2);
  const again = take(loaded, FIRST, serverOf([1, 2, 3, 4, 5, 6, 7, 8, 9])(""), "cost");
  expect(shown(again)).toEqual([9, 8, 7, 6, 5, 4, 3, 2]);
  expect(again.tail).toEqual(loaded.tail);
});

test("what is gone from a stretch leaves it, and only it", () => {
  const loaded = readAll(serverOf([1, 2, 3, 4, 5, 6, 7]), 2);
  const without = serverOf([1, 2, 3, 5, 7]);
  expect(shown(take(loaded, FIRST, without(""), "cost"))).toEqual([7, 5, 3, 2]);
  const second = loaded.starts[1]!;
  expect(shown(take(loaded, second, without(second.cursor), "cost"))).toEqual([7, 6, 5, 3, 2, 1]);
});

test("a session that moved up is there once", () => {
  const loaded = readAll(serverOf([1, 2, 3, 4, 5]), 2);
  const moved: Read = { items: [{ ...session(99), id: "ses_1" } as SessionView, session(5), session(4)], next_cursor: "4" };
  expect(take(loaded, FIRST, moved, "cost").items.map(({ id }) => id)).toEqual(["ses_1", "ses_5", "ses_4", "ses_3", "ses_2"]);
});

test("a list that became empty is empty", () => {
  const again = take(readAll(serverOf([1, 2, 3, 4, 5]), 2), FIRST, { items: [], next_cursor: null }, "cost");
  expect(again).toEqual({ items: [], starts: [FIRST], tail: null });
});

test("a row knows its page", () => {
  const loaded = readAll(serverOf([1, 2, 3, 4, 5, 6, 7]), 9);
  expect([0, 2, 3, 6].map((index) => startOf(loaded, index, "cost")?.cursor)).toEqual(["", "", "5", "2"]);
  expect(startOf(loaded, 7, "cost")).toBeUndefined();
});
