import type { SessionDelta } from "@signalbox/contract/sync";
import { systemClock } from "@signalbox/kernel/clock";
import { databaseTest } from "@signalbox/testkit/database";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { createLive, type Live } from "./live.ts";

const db = databaseTest();
const open: Live[] = [];
afterEach(async () => {
  for (const live of open.splice(0)) await live.stop();
});

/** As one server process would have it. */
function process(): Live {
  const live = createLive({ pool: db.pool("sb_log"), clock: systemClock, logger: pino({ level: "silent" }), roomOf: async () => "room_1" });
  open.push(live);
  return live;
}
const text = (part_id: string, delta: string): SessionDelta => ({ kind: "text", part_id, run_id: "run_1", delta });
const said = (updates: readonly { delta: SessionDelta }[]) =>
  updates.map((u) => ("delta" in u.delta ? u.delta.delta : u.delta.kind)).join("");
async function all(live: Live, session: string, after: string, limit = 100) {
  const found = [];
  for (let cursor = after; ; cursor = found.at(-1)!.watermark) {
    const page = await live.history(session, cursor, limit);
    if (page === "stale") return "stale";
    found.push(...page);
    if (page.length === 0) return found;
  }
}

test("a listener gets each delta as soon as it is stored, in order, each with a cursor of its own", async () => {
  const live = process();
  const heard: string[] = [];
  const { head } = live.subscribe("ses_a", (updates) => heard.push(...updates.map((u) => u.watermark)));
  expect(head).toBe("0.0");
  const channel = live.open("ws_dev", "ses_a", 3);
  channel.emit(text("p", "one"));
  channel.emit(text("p", "two"));
  expect(heard).toEqual([]);
  await expect.poll(() => heard).toEqual(["3.1", "3.2"]);
  // Another process that comes after this one was killed has what anybody was told.
  expect(await process().history("ses_a", "3.0", 10)).toHaveLength(2);
  channel.close();
});

test("from any cursor a reader gets exactly what follows, from memory, from the table, and in another process", async () => {
  const live = process();
  const channel = live.open("ws_dev", "ses_b", 1);
  for (let i = 1; i <= 500; i++) {
    channel.emit(text("p", `${i} `));
    if (i % 120 === 0) await live.flush();
  }
  await live.flush();
  const whole = Array.from({ length: 500 }, (_, i) => `${i + 1} `);
  for (const from of [0, 1, 119, 120, 121, 300, 499, 500]) {
    const mine = await all(live, "ses_b", `1.${from}`, 64);
    expect(mine !== "stale" && said(mine)).toBe(whole.slice(from).join(""));
  }
  await live.flush();
  const other = process();
  for (const from of [0, 77, 240, 481]) {
    const theirs = await all(other, "ses_b", `1.${from}`, 64);
    expect(theirs !== "stale" && said(theirs)).toBe(whole.slice(from).join(""));
  }
  channel.close();
});

test("a cursor that never was, and one whose rest is gone, are stale; the head is not", async () => {
  const live = process();
  const channel = live.open("ws_dev", "ses_c", 2);
  channel.emit(text("p", "x"));
  await live.flush();
  expect(await live.history("ses_c", "2.9", 10)).toBe("stale");
  expect(await live.history("ses_c", "9.1", 10)).toBe("stale");
  expect(await live.history("ses_c", "nonsense", 10)).toBe("stale");
  expect(await live.history("ses_c", "2.1", 10)).toEqual([]);
  await live.flush();
  channel.close();
  await db.rows(`delete from session_live where session_id = 'ses_c'`);
  expect(await process().history("ses_c", "2.0", 10)).toBe("stale");
});

test("after a takeover a reader of the epoch before gets the new epoch's snapshots, whatever was lost with the old one", async () => {
  const killed = process();
  const before = killed.open("ws_dev", "ses_d", 1);
  before.emit(text("p", "stored "));
  await killed.flush();
  const after = process();
  const channel = after.open("ws_dev", "ses_d", 2);
  channel.emit({ kind: "snapshot", part_id: "p", run_id: "run_1", part: "text", name: null, text: "stored lost with the server" });
  channel.emit(text("p", " and on"));
  await after.flush();
  // One reader had heard the lost delta, one had not.
  for (const cursor of ["1.2", "1.1"]) {
    const updates = await after.history("ses_d", cursor, 10);
    expect(updates !== "stale" && updates.map((u) => u.watermark)).toEqual(["2.1", "2.2"]);
  }
  channel.close();
});

test("without a cursor a reader begins where the turn under way began, not with what is complete", async () => {
  const live = process();
  const channel = live.open("ws_dev", "ses_e", 1);
  channel.emit(text("old", "complete"));
  channel.mark();
  channel.emit(text("new", "under way"));
  await live.flush();
  const now = await live.history("ses_e", "0.0", 10);
  expect(now !== "stale" && said(now)).toBe("under way");
  await live.flush();
  const elsewhere = await process().history("ses_e", "0.0", 10);
  expect(elsewhere !== "stale" && said(elsewhere)).toBe("under way");
  channel.close();
});

test("a session that speaks in another process is followed", async () => {
  const [speaker, follower] = [process(), process()];
  const channel = speaker.open("ws_dev", "ses_f", 1);
  channel.emit(text("p", "before "));
  await speaker.flush();
  await follower.roomOf("ws_dev", "ses_f");
  const heard: string[] = [];
  const subscription = follower.subscribe("ses_f", (updates) => heard.push(...updates.map((u) => u.watermark)));
  expect(subscription.head).toBe("1.1");
  channel.emit(text("p", "after"));
  await expect.poll(() => heard, { timeout: 3000 }).toEqual(["1.2"]);
  subscription.close();
  channel.close();
});

test("nothing stays in memory when the hub is gone and nobody listens", async () => {
  const live = process();
  const channel = live.open("ws_dev", "ses_g", 1);
  const subscription = live.subscribe("ses_g", () => undefined);
  channel.emit(text("p", "x"));
  channel.close();
  expect(live.channels).toBe(1);
  subscription.close();
  await live.flush();
  expect(live.channels).toBe(0);
});

test("hours are dropped once they are a day old, and not before", async () => {
  const live = process();
  const hour = 3_600_000;
  for (const age of [1, 23, 26, 50]) await db.rows(`select session_live_hour(now() - $1 * interval '1 millisecond')`, [age * hour]);
  expect(await live.expire()).toBe(2);
  expect(await live.expire()).toBe(0);
});

test("requests see the deltas of their own organization only", async () => {
  const live = process();
  const channel = live.open("ws_dev", "ses_h", 1);
  channel.emit(text("p", "private"));
  await live.flush();
  channel.close();
  const seen = (organization: string) =>
    db.inOrganization(organization, async (tx) => (await tx.query(`select 1 from session_live where session_id = 'ses_h'`)).rows.length);
  expect([await seen("ws_dev"), await seen("ws_other")]).toEqual([1, 0]);
  const hour = new Date().toISOString().replaceAll(/[-T]/g, "").slice(0, 10);
  await expect(
    db.inOrganization(
      "ws_other",
      async (tx) => (await tx.query(`select 1 from session_live_${hour} where session_id = 'ses_h'`)).rows.length,
    ),
  ).resolves.toBe(0);
});
