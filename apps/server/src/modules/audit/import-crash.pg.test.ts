/* An import that is killed with -9 leaves nothing half done, and the next try does all of it. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import { applyProjectionSchemas } from "@signalbox/eventlog/projection-schema";
import { afterAll, beforeAll, expect, test } from "vitest";
import { importedRooms, roomsProjection } from "../rooms/rooms.projection.ts";

const database = databaseTest();
const SCRIPT = join(import.meta.dirname, "import-crash.script.ts");
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "signalbox-import-"));
  const sql = readFileSync(join(import.meta.dirname, "../rooms/schema.sql"), "utf8");
  await applyProjectionSchemas(database.connection, [{ name: "rooms", sql, projections: [roomsProjection, importedRooms] }]);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const start = (crashAt?: string) =>
  startScript(SCRIPT, {
    args: [database.connection("sb_log"), database.connection("sb_app"), directory],
    ...(crashAt === undefined ? {} : { crashAt }),
  });

async function left(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const table of [
    "evt_events",
    "evt_payloads",
    "evt_stream_heads",
    "evt_imports",
    "evt_import_lines",
    "proj_rooms",
    "proj_messages",
    "jobs",
  ])
    found[table] = (await database.pool("sb_log").query(`select count(*)::int as n from ${table}`)).rows[0].n;
  return found;
}

test("killed at any point nothing of it is there; afterwards all of it is, once", async () => {
  const before = await left();
  for (const point of ["projected", "inserted", "ended"]) {
    expect([point, await start(point).ended]).toEqual([point, "SIGKILL"]);
    expect([point, await left()]).toEqual([point, before]);
  }
  const done = start();
  expect([await done.ended, done.stderr()]).toEqual([0, ""]);
  const view = JSON.parse(done.lines[0]!) as { events: number };
  const after = await left();
  // Its events, and the one that says so.
  expect(after["evt_events"]).toBe(before["evt_events"]! + view.events + 1);
  expect(after).toMatchObject({ evt_imports: 1, proj_rooms: 1 });
  expect(after["proj_messages"]).toBeGreaterThan(0);
  expect(await start().ended).toBe(0);
  expect(await left()).toEqual(after);
}, 60_000);
