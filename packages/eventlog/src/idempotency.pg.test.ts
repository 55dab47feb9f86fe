import { databaseTest } from "@signalbox/testkit/database";
import { beforeAll, expect, test, vi } from "vitest";
import { IdempotencyConflict } from "./faults.ts";
import { add, counter, ORG, origin, room, target } from "./fixtures.ts";
import type { PostgresLog } from "./postgres-log.ts";

const db = databaseTest();
let log: PostgresLog;
let other: PostgresLog;

beforeAll(async () => {
  log = await db.log();
  other = await db.log(); // as another process of the product would be
});

const keyed = (key: string, body = "sha256:a", who = origin) => ({
  organizationId: ORG,
  origin: who,
  idempotency: { key, bodyHash: body },
});

test("the same key and body repeats the outcome, events included, without running again", async () => {
  const work = vi.fn(async (unit: Parameters<Parameters<PostgresLog["unit"]>[1]>[0]) => {
    await unit.decide(counter, room("i"), "counter:once", add(1));
    return { id: "made" };
  });
  const first = await log.unit(keyed("k1"), work);
  for (const process of [log, other]) {
    expect(await process.unit(keyed("k1"), work)).toEqual({ value: { id: "made" }, events: first.events, replayed: true });
  }
  expect(work).toHaveBeenCalledTimes(1);
  expect((await log.state(counter, ORG, "counter:once")).version).toBe(1);
});

test("the same key with another body is a conflict", async () => {
  await log.unit(keyed("k2"), async () => 1);
  await expect(log.unit(keyed("k2", "sha256:b"), async () => 2)).rejects.toMatchObject({
    code: "idempotency_conflict",
    reason: "other_body",
  });
});

test("a refusal is an outcome too: it is repeated, not decided again", async () => {
  const full = { type: "add_up_to" as const, by: 5, limit: 3 };
  const first = await log.run(counter, { ...target("refused"), ...keyed("k3") }, full);
  expect(first.ok).toBe(false);
  await log.run(counter, target("refused"), add(-10)); // it would be accepted now
  expect(await other.run(counter, { ...target("refused"), ...keyed("k3") }, full)).toEqual({
    ok: false,
    refusal: { code: "over_limit" },
    events: [],
    recorded: [],
  });
});

test("concurrent duplicates run once, within a process and across two", async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 ? log : other).run(counter, { ...target("dup"), ...keyed("k4") }, add(1))),
  );
  expect(new Set(results.map((result) => result.recorded[0]?.eventId)).size).toBe(1);
  expect((await log.state(counter, ORG, "counter:dup")).state.total).toBe(1);
});

test("a duplicate of a request that runs on and on is told so after five seconds", async () => {
  const release = Promise.withResolvers<void>();
  const first = log.unit(keyed("k5"), () => release.promise);
  const started = performance.now();
  await expect(log.unit(keyed("k5"), async () => undefined)).rejects.toThrow(IdempotencyConflict);
  expect(performance.now() - started).toBeGreaterThan(4900);
  release.resolve();
  await first;
});

test("a key belongs to its principal and organization", async () => {
  const one = await log.unit(keyed("k6"), async () => "mine");
  const two = await log.unit(keyed("k6", "sha256:a", { principal: { id: "usr_other", type: "user" } }), async () => "theirs");
  const three = await log.unit({ ...keyed("k6"), organizationId: "ws_other" }, async () => "elsewhere");
  expect([one.value, two.value, three.value]).toEqual(["mine", "theirs", "elsewhere"]);
});

test("a failed command leaves its key free", async () => {
  await expect(log.unit(keyed("k7"), async () => Promise.reject(new Error("down")))).rejects.toThrow("down");
  expect((await log.unit(keyed("k7"), async () => "up")).value).toBe("up");
});

test("a key is free again after 24 hours, and the sweep removes it", async () => {
  await log.unit(keyed("k8"), async () => "old");
  await db.rows("update evt_idempotency set created_at = now() - interval '25 hours' where key = 'k8'");
  expect((await log.unit(keyed("k8"), async () => "new")).value).toBe("new");
  await db.rows("update evt_idempotency set created_at = now() - interval '25 hours' where key = 'k8'");
  expect(await log.expireIdempotencyKeys()).toBe(1);
});
