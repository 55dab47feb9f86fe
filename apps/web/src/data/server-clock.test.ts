import { describe, expect, test } from "vitest";
import { fetchTelling, offsetOf } from "./server-clock.ts";

const NOON = Date.parse("2030-01-01T12:00:00Z");
const header = (ms: number): string => new Date(ms).toUTCString();

describe("the server's clock", () => {
  test("agrees within what the header and the way can tell", () => {
    expect(offsetOf({ date: header(NOON), sentAt: NOON + 900, gotAt: NOON + 1_900 })?.ms).toBe(0);
  });
  test("is five minutes ahead, or behind", () => {
    expect(offsetOf({ date: header(NOON + 300_000), sentAt: NOON, gotAt: NOON + 40 })?.ms).toBe(300_000);
    expect(offsetOf({ date: header(NOON - 300_000), sentAt: NOON, gotAt: NOON + 40 })?.ms).toBe(-300_000);
  });
  test("is not told by an answer without a date, or with nonsense for one", () => {
    expect(offsetOf({ date: null, sentAt: 0, gotAt: 1 })).toBeNull();
    expect(offsetOf({ date: "yesterday", sentAt: 0, gotAt: 1 })).toBeNull();
  });
});

test("it is told once, and again only when it changed", async () => {
  const told: number[] = [];
  let ahead = 600_000;
  const send = fetchTelling(
    (ms) => told.push(ms),
    async () => new Response(null, { headers: { date: header(Date.now() + ahead) } }),
  );
  await send("/a");
  await send("/b");
  ahead = 0;
  await send("/c");
  expect(told.map((ms) => Math.round(ms / 10_000) * 10_000)).toEqual([600_000, 0]);
});
