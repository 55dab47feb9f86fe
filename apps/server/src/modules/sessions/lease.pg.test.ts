import { databaseTest } from "@signalbox/testkit/database";
import { expect, test } from "vitest";
import { createLeases } from "./lease.ts";

const db = databaseTest();
const leases = (holder: string, ttlMs = 30_000) => createLeases(db.pool("sb_log"), holder, { ttlMs });
const record = { provider: "local", id: "sbx_1", pid: 7 };

test("of many processes that ask at once one gets the session", async () => {
  const asked = await Promise.all(Array.from({ length: 12 }, (_, i) => leases(`node-${i}`).acquire("ws_dev", "ses_many")));
  expect(asked.filter((lease) => lease !== null)).toHaveLength(1);
});

test("a lease that ran out goes to another with a greater epoch and what the first remembered, and fences the first", async () => {
  const first = await leases("a", 30).acquire("ws_dev", "ses_out");
  await leases("a").remember(first!, { sandbox: record });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = await leases("b").acquire("ws_dev", "ses_out");
  expect(second).toMatchObject({ epoch: first!.epoch + 1, sandboxRecord: record });
  expect(await leases("a").renew(first!)).toBe(false);
  expect(await leases("a").remember(first!, { sandbox: null })).toBe(false);
  expect(await leases("a").isCurrent("ses_out", first!.epoch)).toBe(false);
  expect(await leases("b").isCurrent("ses_out", second!.epoch)).toBe(true);
  await leases("a").release(first!);
  expect(await leases("b").holderOf("ses_out")).toBe("b");
});

test("a renewed lease is nobody else's", async () => {
  const a = leases("a", 80);
  const lease = await a.acquire("ws_dev", "ses_renewed");
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await a.renew(lease!)).toBe(true);
  }
  expect(await leases("b").acquire("ws_dev", "ses_renewed")).toBeNull();
});

test("a node that was killed and started again takes its own sessions over at once", async () => {
  const before = await leases("node").acquire("ws_dev", "ses_again");
  const after = await leases("node").acquire("ws_dev", "ses_again");
  expect(after!.epoch).toBe(before!.epoch + 1);
});

test("a released session is free at once and keeps its records and its epoch", async () => {
  const first = await leases("a").acquire("ws_dev", "ses_free");
  await leases("a").remember(first!, { sandbox: record, agent: { harness: "opencode", agentSessionId: "x" } });
  await leases("a").release(first!);
  expect(await leases("a").holderOf("ses_free")).toBeNull();
  expect(await leases("b").acquire("ws_dev", "ses_free")).toMatchObject({
    epoch: first!.epoch + 1,
    sandboxRecord: record,
    agentRecord: { agentSessionId: "x" },
  });
});
