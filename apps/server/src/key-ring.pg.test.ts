/* A ring's keys in several processes at once: what one has just made, the others know when they are asked. */
import { randomBytes } from "node:crypto";
import { systemClock } from "@signalbox/kernel/clock";
import { databaseTest } from "@signalbox/testkit/database";
import type pg from "pg";
import { beforeEach, expect, test } from "vitest";
import { createKeyRing, type RingDeps } from "./key-ring.ts";

const database = databaseTest();
const DAY_MS = 86_400_000;
const OPTIONS = { name: "tested", rotateMs: DAY_MS, keepMs: DAY_MS };
/** Seals nothing: what is tried is who knows of which key when. */
const sealer: RingDeps["sealer"] = {
  seal: async (_place, value) => ({ master: { version: 1, id: "m" }, sealed: Buffer.from(value) }),
  unseal: async (_master, _place, sealed) => sealed,
};
let made = 0;
/** One process; `slow` holds what it has read back until it resolves. */
function ring(slow?: () => Promise<void> | undefined) {
  const pool = database.pool("sb_log");
  const asked = { count: 0 };
  const query = async (text: string, values: unknown[]) => {
    const answer = await pool.query(text, values);
    if (text.startsWith("select")) {
      asked.count++;
      await slow?.();
    }
    return answer;
  };
  const deps = { pool: { query } as unknown as pg.Pool, sealer, clock: systemClock };
  return { ...createKeyRing(deps, { ...OPTIONS, name: `${OPTIONS.name}${made}` }), asked };
}
beforeEach(() => void made++);

test("a key that replaces all others is known to another process at its very first use", async () => {
  const [here, there] = [ring(), ring()];
  const first = await here.current();
  expect(await there.named(first.kid)).toEqual(first.key);
  const second = await here.rotate({ drop: true });
  expect((await here.current()).kid).toBe(second.kid);
  expect(await there.named(second.kid)).toEqual(second.key);
  expect(await there.named(first.kid)).toBeNull();
});

test("of two processes that make the first key at once each knows the other's", async () => {
  const [here, there] = [ring(), ring()];
  const [one, another] = await Promise.all([here.rotate(), there.rotate()]);
  expect(await there.named(one.kid)).toEqual(one.key);
  expect(await here.named(another.kid)).toEqual(another.key);
});

test("a read that is overtaken neither takes a newer key away nor answers for it", async () => {
  let letGo: (() => void) | undefined;
  let isSlow = false;
  const there = ring(() => (isSlow ? new Promise<void>((resolve) => (letGo = resolve)) : undefined));
  const here = ring();
  const first = await here.current();
  expect(await there.named(first.kid)).toEqual(first.key);
  // It has read of one key, and does not come to say so.
  isSlow = true;
  const early = there.named("unknown");
  await expect.poll(() => letGo).toBeDefined();
  isSlow = false;
  const second = await here.rotate({ drop: true });
  const late = there.named(second.kid);
  letGo!();
  expect(await early).toBeNull();
  expect(await late).toEqual(second.key);

  // The one who makes a key reads beside a slow read of their own.
  isSlow = true;
  letGo = undefined;
  const again = there.named("unknown");
  await expect.poll(() => letGo).toBeDefined();
  isSlow = false;
  const third = await there.rotate({ drop: true });
  letGo!();
  await again;
  expect(await there.named(third.kid)).toEqual(third.key);
  expect((await there.current()).kid).toBe(third.kid);
});

test("keys that nobody made cost one read at a time, however many ask", async () => {
  const there = ring();
  await there.current();
  const before = there.asked.count;
  const unknown = Array.from({ length: 500 }, () => randomBytes(6).toString("hex"));
  expect((await Promise.all(unknown.map((kid) => there.named(kid)))).every((key) => key === null)).toBe(true);
  expect(there.asked.count - before).toBeLessThanOrEqual(4);
});
