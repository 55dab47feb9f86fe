import { databaseTest } from "@signalbox/testkit/database";
import { rowsRead } from "@signalbox/testkit/rows-read";
import { beforeAll, expect, test, vi } from "vitest";
import { add, counter, ORG, room, target } from "./fixtures.ts";
import type { PostgresLog } from "./postgres-log.ts";
import { startReader } from "./reader.ts";

const db = databaseTest();
let log: PostgresLog;

beforeAll(async () => {
  log = await db.log();
  await db.rows("create table seen (reader text, position bigint, primary key (reader, position))");
});

test("a reader by position misses nothing while 16 writers on four processes append to many streams", async () => {
  const logs = [log, await db.log(), await db.log(), await db.log()];
  const seen: number[] = [];
  let done = false;
  const reading = (async () => {
    // The plainest reader there is, as fast as it can: `position > cursor`, nothing else.
    for (let cursor = 0; ;) {
      const finished = done;
      const events = await log.readAll({ afterPosition: cursor, limit: 50 });
      seen.push(...events.map((event) => event.position!));
      cursor = events.at(-1)?.position ?? cursor;
      if (finished && events.length === 0) return;
    }
  })();
  await Promise.all(
    Array.from({ length: 16 }, async (_, w) => {
      for (let i = 0; i < 30; i++) await logs[w % 4]!.run(counter, target(`w${w}`, room(`w${(w + i) % 7}`)), add(1));
    }),
  );
  done = true;
  await reading;
  const all = await db.rows<{ position: string }>("select position from evt_events order by position");
  expect(all.length).toBe(480);
  expect(seen).toEqual(all.map((row) => Number(row.position)));
});

test("a page from the middle of the log reads no payload before it", async () => {
  await Promise.all(Array.from({ length: 900 }, (_, n) => log.run(counter, target(`paged${n % 8}`, room(`paged${n % 8}`)), add(1))));
  await db.pool("admin").query("analyze");
  const { rows } = await db
    .pool("sb_log")
    .query<{ position: string }>("select position from evt_events order by position desc offset 400 limit 1");
  const afterPosition = Number(rows[0]!.position);
  for (const types of [undefined, ["counter.added"]]) {
    const read = await rowsRead(log.pool, "evt_payloads", async () =>
      expect(await log.readAll({ afterPosition, limit: 300, types })).toHaveLength(300),
    );
    // The planner may look at both ends of the table.
    expect(read).toBeLessThanOrEqual(310);
  }
});

test("positions rise with seq in every stream", async () => {
  const wrong = await db.rows(
    "select 1 from (select position, lag(position) over (partition by organization_id, stream_type, stream_id order by seq) as before from evt_events) x where position <= before",
  );
  expect(wrong).toEqual([]);
});

const reader = (name: string, handle: Parameters<typeof startReader>[0]["handle"], more: Partial<Parameters<typeof startReader>[0]> = {}) =>
  startReader({ name, pool: log.pool, log, handle, onError: () => undefined, ...more });

test("a reader hands on every event once through its transaction, although handlers fail and two processes read under one name", async () => {
  let calls = 0;
  const handle: Parameters<typeof startReader>[0]["handle"] = async (tx, events) => {
    for (const event of events) await tx.query("insert into seen values ('twice', $1)", [event.position]);
    if (++calls % 3 === 0) throw new Error("now and then");
  };
  const readers = [reader("twice", handle, { batchSize: 60 }), reader("twice", handle, { batchSize: 60 })];
  await log.run(counter, target("more"), add(1));
  await Promise.all(readers.map((r) => r.caughtUp()));
  expect(await db.rows("select count(*)::int as n from seen where reader = 'twice'")).toEqual(
    await db.rows("select count(*)::int as n from evt_events"),
  );
  await Promise.all(readers.map((r) => r.stop()));
});

test("a reader wakes for an append of any process, goes on where it stopped, and reads the types it asked for only", async () => {
  const other = await db.log();
  const types: string[] = [];
  const options = { types: ["counter.refused"], from: "now" } as const;
  const handle: Parameters<typeof startReader>[0]["handle"] = async (_, events) =>
    void types.push(...events.map((event) => event.event.type));
  const first = reader("refusals", handle, options);
  await vi.waitFor(async () => expect(await db.rows("select 1 from evt_readers where name = 'refusals'")).toHaveLength(1));
  const refuse = () => other.run(counter, target("r"), { type: "add_up_to", by: 1, limit: 0, record: true });
  await refuse();
  await vi.waitFor(() => expect(types).toHaveLength(1), { timeout: 2000 });
  await first.stop();
  await refuse();
  await other.run(counter, target("r"), add(1));
  const second = reader("refusals", handle, options);
  await second.caughtUp();
  expect(types).toEqual(["counter.refused", "counter.refused"]);
  expect(await second.lag()).toBe(0);
  await second.stop();
});

test("a reader is not woken for what its own process appended of other types, and writes nothing when nothing is new for it", async () => {
  const other = await db.log();
  let readings = 0;
  const counting = new Proxy(log.pool, {
    get(pool, property) {
      if (property === "connect") readings++;
      const value = Reflect.get(pool, property) as unknown;
      return typeof value === "function" ? (value.bind(pool) as unknown) : value;
    },
  });
  const handled: number[] = [];
  const idle = reader("idle", async (_, events) => void handled.push(events.length), {
    pool: counting,
    types: ["counter.refused"],
    from: "now",
  });
  const row = () => db.rows<{ xmax: string }>("select xmax::text from evt_readers where name = 'idle'");
  await vi.waitFor(async () => expect(await row()).toHaveLength(1));
  const before = readings;
  for (let i = 0; i < 5; i++) await log.run(counter, target("idle"), add(1));
  expect(readings).toBe(before);
  // Of what others append only the streams are known: looked at, and not locked.
  for (const times of [1, 2]) {
    await other.run(counter, target("idle"), add(1));
    await vi.waitFor(() => expect(readings).toBeGreaterThanOrEqual(before + times), { timeout: 30_000 });
  }
  expect(await row()).toEqual([{ xmax: "0" }]);
  await log.run(counter, target("idle"), { type: "add_up_to", by: 1, limit: 0, record: true });
  await vi.waitFor(() => expect(handled).toEqual([1]), { timeout: 30_000 });
  await idle.stop();
});

test("a reader that rests reads what came meanwhile at once, and is stopped in the middle of its rest", async () => {
  const handled: number[] = [];
  const resting = reader("resting", async (_, events) => void handled.push(events.length), { from: "now", restMs: 200 });
  await vi.waitFor(async () => expect(await db.rows("select 1 from evt_readers where name = 'resting'")).toHaveLength(1));
  const began = performance.now();
  for (let i = 0; i < 60; i++) await log.run(counter, target("rest"), add(1));
  await resting.caughtUp();
  expect(handled.length).toBeLessThanOrEqual((performance.now() - began) / 200 + 2);
  expect(handled.reduce((sum, n) => sum + n, 0)).toBe(60);
  await resting.stop();
  const asleep = reader("asleep", async () => undefined, { from: "now", restMs: 3_600_000 });
  await vi.waitFor(async () => expect(await db.rows("select 1 from evt_readers where name = 'asleep'")).toHaveLength(1));
  await log.run(counter, target("rest"), add(1));
  await asleep.stop();
});

test("a hint reaches every process, names the streams that grew, and keeps their heads in memory", async () => {
  const other = await db.log();
  const hints: number[] = [];
  const unsubscribe = other.onAppended(({ streams }) =>
    hints.push(...streams.filter(({ stream }) => stream.id === "room_hint").map(({ seq }) => seq)),
  );
  await log.run(counter, target("hint", room("hint")), add(1));
  await log.run(counter, target("hint", room("hint")), add(1));
  await vi.waitFor(() => expect(hints).toContain(2), { timeout: 2000 });
  expect(await other.head(ORG, room("hint"))).toBe(2);
  expect(await other.head(ORG, room("never"))).toBe(0);
  unsubscribe();
});
