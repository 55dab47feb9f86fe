/* Detaching by the database's word, and workers that die between any two steps of it. */
import { archiveStreams } from "@signalbox/contract/archives";
import { startScript } from "@signalbox/testkit/crash";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { auditStage, ORG } from "./audit.fixture.ts";

let over: readonly string[] = [];
const stage = auditStage(() => ({ roomsOver: async (_, ids) => ids.filter((id) => over.includes(id)) }));
const pool = () => stage.database.pool("sb_log");
const one = async (text: string): Promise<number> => (await pool().query<{ n: number }>(text)).rows[0]!.n;
const counts = async () => ({
  events: await one("select count(*)::int as n from evt_events where stream_id = 'room_a'"),
  hot: await one("select count(*)::int as n from only evt_events where stream_id = 'room_a'"),
  said: await one("select count(*)::int as n from evt_events where type = 'log.archived'"),
  archives: await one("select count(*)::int as n from evt_archives"),
  heads: await one("select seq::int as n from evt_stream_heads where stream_id = 'room_a'"),
});
const run = (crashAt?: string) =>
  startScript(path.join(import.meta.dirname, "archive-crash.script.ts"), {
    args: [stage.database.connection("sb_log"), stage.database.connection("sb_app"), stage.directory],
    ...(crashAt === undefined ? {} : { crashAt }),
  });

test("killed between any two steps nothing is lost, and the next run goes on from there, once", async () => {
  const before = await counts();
  expect(before).toMatchObject({ events: before.hot, said: 0, archives: 0 });
  const all = before.events;
  for (const [step, left] of [
    ["stored", { hot: all, said: 0, archives: 1 }],
    ["verified", { hot: all, said: 0, archives: 1 }],
    ["recorded", { hot: all, said: 1, archives: 1 }],
    ["detached", { hot: 0, said: 1, archives: 1 }],
  ] as const) {
    expect([step, await run(step).ended]).toEqual([step, "SIGKILL"]);
    expect([step, await counts()]).toEqual([step, { events: all, heads: all, ...left }]);
  }
  const done = run();
  expect([await done.ended, done.stderr()]).toEqual([0, ""]);
  expect(await counts()).toEqual({ events: all, heads: all, hot: 0, said: 1, archives: 1 });
  // The content was put by each run that exported, and is one.
  const files = readdirSync(path.join(stage.directory, "blobs"), { recursive: true, withFileTypes: true });
  expect(files.filter((file) => file.isFile())).toHaveLength(1);
}, 60_000);

test("nothing is detached without its archive, without its record, or when it changed since it was read back", async () => {
  await expect(pool().query("select evt_detach($1, 'arch_none', gen_random_uuid(), now())", [ORG])).rejects.toThrow("no such archive");
  const id = "arch_01J00000000000000000000000";
  const content = `sha256:${"0".repeat(64)}`;
  await pool().query("select evt_archive_storing($1, $2, 'room', 'room_b', 1, 5, $3, now())", [ORG, id, content]);
  const early = pool().query("select evt_detach($1, $2, gen_random_uuid(), now())", [ORG, id]);
  await expect(early).rejects.toThrow("no such archive that was verified");
  await pool().query("select evt_archive_verified($1, $2, 5, 100, '\\x00', '{}')", [ORG, id]);
  const other = (await pool().query("select event_id from evt_events where type = 'log.archived'")).rows[0].event_id;
  for (const record of [other, "00000000-0000-7000-8000-000000000000"])
    await expect(pool().query("select evt_detach($1, $2, $3, now())", [ORG, id, record])).rejects.toThrow(
      "needs a log.archived that names it",
    );
  // Its record is there, and the rows are not what was read back.
  const { rows } = await pool().query(
    `select event_id, data from evt_events e join evt_payloads p using (position) where e.type = 'log.archived'`,
  );
  expect(JSON.parse(rows[0].data)).toMatchObject({ stream: "room:room_a" });
  for (const text of [
    "delete from evt_events where stream_id = 'room_b'",
    "delete from evt_archived_events",
    "update evt_archived_events set header = 'x'",
    "delete from evt_archives",
    "insert into evt_archived_events select e.*, 'x' from only evt_events e limit 1",
  ])
    await expect(pool().query(text), text).rejects.toThrow(/append-only|permission denied/);
  await pool().query("select evt_archive_dropped($1, $2)", [ORG, id]);
  expect(await one("select count(*)::int as n from only evt_events where stream_id = 'room_b'")).toBe(5);
});

test("an event that was erased after it was exported is not detached; the stretch is exported anew without it", async () => {
  const recorded = startScript(path.join(import.meta.dirname, "archive-crash.script.ts"), {
    args: [stage.database.connection("sb_log"), stage.database.connection("sb_app"), stage.directory],
  });
  expect(await recorded.ended).toBe(0);
  const last = await stage.write("room_a", "a secret that is soon erased");
  expect(await run("verified").ended).toBe("SIGKILL");
  // Erased in the database while the archive waits.
  const redact = stage.audit.routes.find(({ route }) => route.id === "audit.redact")!;
  await stage.call(redact.route, { body: { event_id: last, reason: "now" } });
  expect(await run().ended).toBe(0);
  expect(await one("select count(*)::int as n from only evt_events where stream_id = 'room_a'")).toBeLessThanOrEqual(1);
  const { rows } = await pool().query("select sha256 from evt_archives order by from_seq desc");
  const texts = await Promise.all(rows.map(async ({ sha256 }) => (await stage.deps.blobs.get(ORG, sha256))!.toString()));
  expect(texts.length).toBeGreaterThan(1);
  // Nor is the content of the archive that was dropped.
  const files = readdirSync(path.join(stage.directory, "blobs"), { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  for (const file of files) expect(readFileSync(path.join(file.parentPath, file.name), "utf8")).not.toContain("soon erased");
  expect(files).toHaveLength(texts.length);
  expect(await one("select count(*)::int as n from evt_events where type = 'log.archived'")).toBe(texts.length);
});

test("a room that is over has its turn behind any number of older ones that are not", async () => {
  for (let i = 0; i < 11; i++)
    await Promise.all(Array.from({ length: 100 }, (_, n) => stage.write(`room_open${i}_${n}`, "still going on")));
  await stage.write("room_over", "done");
  over = ["room_over"];
  const found = (await stage.call(archiveStreams, { body: { dry_run: true, older_than_days: 0 } })) as {
    streams: { stream: string; events: number }[];
  };
  expect(found.streams).toMatchObject([{ stream: "room:room_over", events: 1 }]);
});
