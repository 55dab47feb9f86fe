import { createHash } from "node:crypto";
import { canonicalJson, type Json } from "@signalbox/kernel/canonical";
import { databaseTest } from "@signalbox/testkit/database";
import { beforeAll, expect, test } from "vitest";
import { add, counter, counterSchema, COUNTER_PROJECTIONS, ORG, origin, POISON, room, target } from "./fixtures.ts";
import type { PostgresLog } from "./postgres-log.ts";
import { applyProjectionSchemas } from "./projection-schema.ts";

const db = databaseTest();
let log: PostgresLog;

beforeAll(async () => {
  await applyProjectionSchemas(db.connection, [counterSchema]);
  log = await db.log({ projections: COUNTER_PROJECTIONS });
});

/** The three hashes once more, from `architecture.md` alone: nothing here comes from the code under test. */
async function recompute(stream: string): Promise<string[]> {
  const rows = await db.rows<{ seq: string; header: string; data: string; salt: Buffer; prev_hash: Buffer; hash: Buffer }>(
    `select e.seq, e.header, p.data, p.salt, e.prev_hash, e.hash from evt_events e join evt_payloads p using (position)
      where e.stream_id = $1 order by e.seq`,
    [stream],
  );
  const faults: string[] = [];
  let prev = Buffer.alloc(32);
  rows.forEach((row, i) => {
    if (Number(row.seq) !== i + 1) faults.push(`gap before ${row.seq}`);
    const header = JSON.parse(row.header) as Record<string, Json>;
    if (canonicalJson(header) !== row.header) faults.push(`header of ${row.seq} is not canonical`);
    for (const absent of ["seq", "position", "recorded_at", "prev_hash", "hash", "data"])
      if (absent in header) faults.push(`${absent} is in a header`);
    const data = createHash("sha256")
      .update(Buffer.concat([row.salt, Buffer.from(row.data)]))
      .digest("hex");
    if (row.salt.length !== 32 || header["data_hash"] !== `sha256:${data}`) faults.push(`data hash of ${row.seq}`);
    const entry = createHash("sha256")
      .update(Buffer.concat([Buffer.of(0), Buffer.from(row.header)]))
      .digest();
    const seq = Buffer.alloc(8);
    seq.writeBigUInt64BE(BigInt(i + 1));
    const hash = createHash("sha256")
      .update(Buffer.concat([Buffer.of(1), prev, seq, entry]))
      .digest();
    if (!row.prev_hash.equals(prev)) faults.push(`prev hash of ${row.seq}`);
    if (!row.hash.equals(hash)) faults.push(`hash of ${row.seq}`);
    prev = hash;
  });
  const head = await db.rows<{ seq: string; hash: Buffer }>("select seq, hash from evt_stream_heads where stream_id = $1", [stream]);
  if (Number(head[0]?.seq) !== rows.length || !head[0]?.hash.equals(prev)) faults.push("head");
  return faults;
}

test("an append is chained as the architecture says, and comes back as it was answered", async () => {
  const one = await log.run(counter, target("chain", room("chain")), add(1, "héllo \u{1F600}"));
  const two = await log.run(counter, target("chain", room("chain")), add(2));
  expect(await recompute("room_chain")).toEqual([]);
  const read = await log.readStream(ORG, room("chain"), { afterSeq: 0, limit: 10 });
  expect(read).toEqual([...one.recorded, ...two.recorded]);
  expect(one.recorded[0]).toMatchObject({
    seq: 1,
    subject: "counter:chain",
    subjectId: "chain",
    subjectVersion: 1,
    zone: "supervised",
    redaction: "none",
  });
  expect(one.recorded[0]?.prevHash).toBe(`sha256:${"0".repeat(64)}`);
  expect(two.recorded[0]?.prevHash).toBe(one.recorded[0]?.hash);
});

test("a header with every field it can have is canonical too", async () => {
  await log.run(
    counter,
    target("full", room("full"), {
      origin: {
        ...origin,
        zone: "high_stakes",
        correlationId: 'cor "q"',
        causationId: "é",
        occurredAt: "2030-01-01T00:00:00.000Z",
        roomId: "room_1",
        threadId: "th_1",
        sessionId: "ses_1",
        runId: "run_1",
        stepId: "step_1",
      },
      idempotency: { key: "key\n", bodyHash: "b" },
    }),
    add(1),
  );
  expect(await recompute("room_full")).toEqual([]);
  const read = (await log.readStream(ORG, room("full"), { afterSeq: 0, limit: 1 }))[0];
  expect(read).toMatchObject({
    zone: "high_stakes",
    correlationId: 'cor "q"',
    causationId: "é",
    threadId: "th_1",
    stepId: "step_1",
    idempotencyKey: "key\n",
  });
});

test("streams stay gap-free, chained and projected while 16 callers append to 4 of them", async () => {
  await Promise.all(
    Array.from({ length: 16 }, async (_, caller) => {
      for (let i = 0; i < 25; i++) await log.run(counter, target(`busy-${caller}`, room(`busy${caller % 4}`)), add(1));
    }),
  );
  for (let i = 0; i < 4; i++) {
    expect(await recompute(`room_busy${i}`)).toEqual([]);
    expect(await log.head(ORG, room(`busy${i}`))).toBe(100);
  }
  const totals = await db.rows<{ total: string }>("select total from proj_counters where id like 'ws_dev/counter:busy-%'");
  expect(totals.map((row) => row.total)).toEqual(Array(16).fill("25"));
});

test("64 commands at once on one subject all succeed, and each saw the one before", async () => {
  const results = await Promise.all(Array.from({ length: 64 }, () => log.run(counter, target("hot"), add(1))));
  expect(new Set(results.map((r) => r.recorded[0]?.subjectVersion)).size).toBe(64);
  expect(await log.state(counter, ORG, "counter:hot")).toEqual({ state: { total: 64, refused: 0 }, version: 64 });
});

test("two processes fighting for one subject lose no update, and a limit holds across both", async () => {
  const other = await db.log({ projections: COUNTER_PROJECTIONS });
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, i) => (i % 2 ? log : other).run(counter, target("shared"), { type: "add_up_to", by: 1, limit: 25 })),
  );
  expect(results.filter((r) => r.ok)).toHaveLength(25);
  expect((await other.state(counter, ORG, "counter:shared")).state.total).toBe(25);
});

test("a refusal is decided on what the log says now, not on what this process remembers", async () => {
  const other = await db.log();
  await log.run(counter, target("stale"), { type: "add_up_to", by: 10, limit: 10 });
  await other.run(counter, target("stale"), add(-10));
  expect((await log.run(counter, target("stale"), { type: "add_up_to", by: 5, limit: 10 })).ok).toBe(true);
});

test("a poisonous command fails alone: the batch it was in is appended without it", async () => {
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => log.run(counter, target(`poison-${i}`, room("poison")), add(i === 7 ? POISON : 1))),
  );
  expect(results.map((r) => r.status).filter((s) => s === "rejected")).toHaveLength(1);
  expect(results[7]?.status).toBe("rejected");
  expect(await recompute("room_poison")).toEqual([]);
  expect(await log.head(ORG, room("poison"))).toBe(19);
  expect((await log.state(counter, ORG, "counter:poison-7")).version).toBe(0);
});

test("a refusal may leave a record, and what it records is appended", async () => {
  const decision = await log.run(counter, target("noted"), { type: "add_up_to", by: 3, limit: 2, record: true });
  expect(decision.ok).toBe(false);
  expect(decision.recorded.map((e) => e.event.type)).toEqual(["counter.refused"]);
});

test("a unit over several subjects and streams is one transaction: all of it, or nothing", async () => {
  const both = await log.unit({ organizationId: ORG, origin }, async (unit) => {
    await unit.decide(counter, room("u1"), "counter:u1", add(1));
    await unit.decide(counter, room("u2"), "counter:u2", add(2));
    return (await unit.load(counter, room("u1"), "counter:u1")).total;
  });
  expect(both.value).toBe(1);
  expect(both.events.map((e) => [e.stream.id, e.seq])).toEqual([
    ["room_u1", 1],
    ["room_u2", 1],
  ]);
  const failed = log.unit({ organizationId: ORG, origin }, async (unit) => {
    await unit.decide(counter, room("u1"), "counter:u1", add(1));
    await unit.decide(counter, room("u2"), "counter:u2", add(POISON));
  });
  await expect(failed).rejects.toThrow();
  expect(await log.head(ORG, room("u1"))).toBe(1);
  expect((await log.state(counter, ORG, "counter:u1")).version).toBe(1);
});

test("units that take the same subjects in opposite orders all get through", async () => {
  const move = (from: string, to: string) =>
    log.unit({ organizationId: ORG, origin }, async (unit) => {
      await unit.decide(counter, room(from), `counter:${from}`, add(-1));
      await unit.decide(counter, room(to), `counter:${to}`, add(1));
    });
  await Promise.all(Array.from({ length: 30 }, (_, i) => (i % 2 ? move("left", "right") : move("right", "left"))));
  expect((await log.state(counter, ORG, "counter:left")).state.total).toBe(0);
  expect((await log.state(counter, ORG, "counter:left")).version).toBe(30);
});
