import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import path from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { add, counter, counterSchema, COUNTER_PROJECTIONS, ORG, room, target } from "./fixtures.ts";
import type { PostgresLog } from "./postgres-log.ts";
import { applyProjectionSchemas } from "./projection-schema.ts";
import { dropShadows, rebuild, rebuildAll, RebuildRunning, type ProjectionSchema, type RebuildProgress } from "./rebuild.ts";

const db = databaseTest();
let log: PostgresLog;
let owner: Client;

beforeAll(async () => {
  await applyProjectionSchemas(db.connection, [counterSchema]);
  log = await db.log({ projections: COUNTER_PROJECTIONS });
  for (let i = 0; i < 30; i++) await log.run(counter, target(`c${i % 5}`, room(`r${i % 3}`)), add(i));
  owner = new Client(db.connection("sb_owner"));
  await owner.connect();
});
afterAll(() => owner.end());

const live = () => db.rows("select * from proj_counters order by id");

test("rebuilt from the log, the projection is what it was live", async () => {
  const before = await live();
  expect(await rebuild(owner, counterSchema)).toEqual({
    name: "counters",
    events: 30,
    tables: ["proj_counters"],
    appendsWaitedMs: expect.any(Number),
    drift: [],
    swapped: true,
  });
  expect(await live()).toEqual(before);
});

test("drift is found and named, and the rebuild repairs it", async () => {
  const before = await live();
  await db.rows("update proj_counters set total = total + 1 where id like '%c1'");
  await db.rows("delete from proj_counters where id like '%c2'");
  const dry = await rebuild(owner, counterSchema, { swap: false });
  expect(dry).toMatchObject({ swapped: false, drift: [{ table: "proj_counters", onlyLive: 1, onlyRebuilt: 2 }] });
  expect(dry.drift[0]?.examples.live).toMatchObject([{ id: "ws_dev/counter:c1" }]);
  expect(await live()).not.toEqual(before);
  await rebuild(owner, counterSchema);
  expect(await live()).toEqual(before);
});

test("on two connections every module's drift is found, each by one of them, in one snapshot", async () => {
  const named = (name: string): ProjectionSchema => ({
    name,
    sql: counterSchema.sql.replaceAll("proj_counters", `proj_${name}`),
    projections: counterSchema.projections.map((projection) => ({
      ...projection,
      name: `${name}.totals`,
      tables: [`proj_${name}`],
      project: (tx, batch) =>
        projection.project({ ...tx, query: (text, values) => tx.query(text.replaceAll("proj_counters", `proj_${name}`), values) }, batch),
    })),
  });
  const schemas = ["tally_a", "tally_b", "tally_c", "tally_d"].map(named);
  await applyProjectionSchemas(db.connection, schemas);
  for (const [i, { name }] of schemas.entries())
    await db.rows(`delete from proj_${name} where id in (select id from proj_${name} order by id limit ${i})`);
  const beside = new Client(db.connection("sb_owner"));
  await beside.connect();
  try {
    const reports = await rebuildAll(owner, schemas, { beside });
    expect(reports.map(({ name, drift }) => [name, drift.map((of) => of.onlyRebuilt)])).toEqual([
      ["tally_a", []],
      ["tally_b", [1]],
      ["tally_c", [2]],
      ["tally_d", [3]],
    ]);
    expect((await rebuildAll(owner, schemas, { beside, swap: false })).flatMap(({ drift }) => drift)).toEqual([]);
    // Neither is left in a transaction.
    for (const client of [owner, beside])
      expect((await client.query("select transaction_timestamp() = statement_timestamp() as alone")).rows).toEqual([{ alone: true }]);
  } finally {
    await beside.end();
  }
});

test("after a swap requests still see their own organization's rows only, and the live projection goes on", async () => {
  await rebuild(owner, counterSchema);
  await log.run(counter, target("c0"), add(100));
  const seen = await db.inOrganization(ORG, (tx) => tx.query("select * from proj_counters"));
  expect(seen.rowCount).toBe(5);
  expect((await db.inOrganization("ws_other", (tx) => tx.query("select * from proj_counters"))).rowCount).toBe(0);
  expect((await rebuild(owner, counterSchema)).drift).toEqual([]);
});

test("appends go on during a rebuild, and none is lost between shadow and swap", async () => {
  const stop = new AbortController();
  const writing = Promise.all(
    Array.from({ length: 4 }, async (_, w) => {
      let n = 0;
      while (!stop.signal.aborted) {
        await log.run(counter, target(`busy${w}`), add(0));
        n++;
      }
      return n;
    }),
  );
  for (let i = 0; i < 3; i++) expect((await rebuild(owner, counterSchema)).drift).toEqual([]);
  stop.abort();
  const counts = await writing;
  const versions = await db.rows<{ subject_version: string }>(
    "select subject_version from proj_counters where id like '%busy%' order by id",
  );
  expect(versions.map((row) => Number(row.subject_version))).toEqual(counts);
});

test("a schema.sql that changed is rebuilt at boot, one that did not is left alone", async () => {
  expect(await applyProjectionSchemas(db.connection, [counterSchema])).toEqual([]);
  const changed: ProjectionSchema = {
    ...counterSchema,
    sql: counterSchema.sql.replace("total           bigint", "note text default 'new', total bigint"),
  };
  expect(await applyProjectionSchemas(db.connection, [changed])).toEqual(["counters"]);
  expect(await db.rows("select distinct note from proj_counters")).toEqual([{ note: "new" }]);
  expect(await applyProjectionSchemas(db.connection, [counterSchema])).toEqual(["counters"]);
});

test("a projection that fails to replay leaves the live tables and no shadow behind", async () => {
  const before = await live();
  const broken: ProjectionSchema = {
    ...counterSchema,
    projections: [{ ...COUNTER_PROJECTIONS[0]!, project: async () => Promise.reject(new Error("bug")) }],
  };
  await expect(rebuild(owner, broken)).rejects.toThrow("bug");
  expect(await live()).toEqual(before);
  expect(await db.rows("select nspname from pg_namespace where nspname like 'sb_shadow%'")).toEqual([]);
});

const shadows = () => db.rows<{ name: string }>("select nspname as name from pg_namespace where nspname like 'sb_shadow%' order by 1");

test.each(["replaying", "comparing", "swapping"])(
  "killed while %s it leaves the live tables as they were, and its shadow goes at the next start",
  async (step) => {
    const before = await live();
    const oids = () => db.rows("select oid from pg_class where relname = 'proj_counters' and relnamespace = 'public'::regnamespace");
    const tables = await oids();
    const script = startScript(path.join(import.meta.dirname, "rebuild-crash.script.ts"), { args: [db.connection("sb_owner"), step] });
    await script.line((line) => line === step);
    script.kill();
    expect(await script.ended).toBe("SIGKILL");
    expect(await oids(), "not one table was moved").toEqual(tables);
    expect(await live()).toEqual(before);
    expect((await shadows()).map(({ name }) => name)).toContain("sb_shadow_made");
    // Its session ends when Postgres notices; a start meanwhile leaves the shadow to the next one.
    await expect
      .poll(async () => (await applyProjectionSchemas(db.connection, [counterSchema]), shadows()), { timeout: 20_000 })
      .toEqual([]);
    expect((await rebuild(owner, counterSchema)).drift).toEqual([]);
  },
);

test("of two rebuilds at once one says so, and what it found is left alone", async () => {
  const other = new Client(db.connection("sb_owner"));
  await other.connect();
  try {
    let second: unknown;
    let trying: Promise<unknown> | undefined;
    await rebuild(owner, counterSchema, {
      onProgress: () => {
        trying ??= rebuild(other, counterSchema).catch((error: unknown) => (second = error));
      },
    });
    await trying;
    expect(second).toBeInstanceOf(RebuildRunning);
    await rebuild(other, counterSchema);
  } finally {
    await other.end();
  }
});

test("a request that keeps a table open delays the swap, not the appends", async () => {
  const reading = await db.pool("sb_app").connect();
  await reading.query("begin");
  await reading.query("select count(*) from proj_counters");
  let done = false;
  const rebuilding = rebuild(owner, counterSchema).finally(() => (done = true));
  for (let i = 0; i < 50; i++) await log.run(counter, target("meanwhile"), add(0));
  expect(done).toBe(false);
  await reading.query("commit");
  reading.release();
  expect(await rebuilding).toMatchObject({ drift: [], swapped: true });
  const [row] = await db.rows<{ subject_version: string }>("select subject_version from proj_counters where id like '%meanwhile'");
  expect(row).toEqual({ subject_version: "50" });
});

test("it says how far it is", async () => {
  const said: RebuildProgress[] = [];
  await rebuild(owner, counterSchema, { onProgress: (progress) => said.push(progress) });
  expect([...new Set(said.map(({ step }) => step))]).toEqual(["replaying", "comparing", "swapping"]);
  expect(said.at(-1)).toMatchObject({ name: "counters", events: said[0]!.total, total: said[0]!.total });
  await dropShadows(owner);
});
