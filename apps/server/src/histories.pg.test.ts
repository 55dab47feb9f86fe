/* What every release wrote, folded by today's code: the upgrade of its database, its events, its deciders, its projections, its proof. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { EVENT_HISTORIES, type EventVersions, upcast, versionOf } from "@signalbox/contract/event-versions";
import { EVENT_SCHEMAS } from "@signalbox/contract/events";
import { databaseTest } from "@signalbox/testkit/database";
import { restoreDatabase, type DatabaseDump } from "@signalbox/testkit/dump";
import { follow, GENESIS, type Head } from "@signalbox/verify/chain";
import { nodePrimitives } from "@signalbox/verify/node";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { startComposed } from "./composed.fixture.ts";
import {
  differences,
  ownEvents,
  readGzipped,
  recordedHistories,
  statesOf,
  tableDifferences,
  type Expected,
  type StoredEvent,
} from "./histories.fixture.ts";
import { MIGRATION_SETS } from "./postgres/schema.ts";

const db = databaseTest();
const SAMPLE = path.join(import.meta.dirname, "../samples/first-session.jsonl");
const RELEASED = path.join(import.meta.dirname, "../../../packages/contract/released/events.schema.json");
// oxlint-disable-next-line node/no-process-env -- set by tools/record-histories.ts
const isRecording = process.env["SIGNALBOX_RECORD_EXPECTED"] === "1";

/** Released types that no recording has, and why. */
const UNRECORDED: Readonly<Record<string, string>> = {
  "run.needs_human": "nothing in 0.1.0 ends a run this way: the automations that will are not there yet",
  "run.skipped": "nothing in 0.1.0 skips a run: the triggers that will are not there yet",
  "session.completed": "nothing in 0.1.0 completes a session by itself: the automations that will are not there yet",
  "ledger.released": "the suite that shows it feeds the ledger alone, with a session.created of its own shape",
  "checkpoint.created": "declared before checkpoints became rows of their own; 0.1.0 never appends it",
};

/** The one that a whole server is started on: it has sessions in every state. */
const STARTED = "hub";

const histories = recordedHistories();
const dumpOf = (file: string): DatabaseDump => readGzipped<DatabaseDump>(file);

/** As it was written, and as it is read. */
function invalid({ type, version, data, stream, seq }: StoredEvent): string[] {
  if (data === null) return [];
  const at = `${stream.type}:${stream.id} ${seq} ${type}`;
  const value = JSON.parse(data) as object;
  const written = version < versionOf(type) ? (EVENT_HISTORIES as EventVersions)[type]?.past[version - 1]?.schema : EVENT_SCHEMAS.get(type);
  if (written === undefined) return [`${at}: is no event type of today`];
  return [written.safeParse(value), EVENT_SCHEMAS.get(type)!.safeParse(upcast(type, version, value))].flatMap((parsed) =>
    parsed.success ? [] : parsed.error.issues.map((issue) => `${at}.${issue.path.join(".")}: ${issue.message}`),
  );
}

async function broken(events: readonly StoredEvent[]): Promise<unknown[]> {
  const heads = new Map<string, Head>();
  for (const event of events) {
    const key = `${event.organization_id} ${event.stream.type} ${event.stream.id}`;
    const step = await follow(nodePrimitives, heads.get(key) ?? GENESIS, event);
    if (!step.ok) return [step.mismatch];
    heads.set(key, step.head);
  }
  return [];
}

describe.each(histories)("$release $name", ({ file, expected, name, release }) => {
  const dump = dumpOf(file);
  const events = ownEvents(dump);
  const was = isRecording ? null : readGzipped<Expected>(expected);
  let states: Record<string, unknown> = {};

  test("every event is of its schema, and its chain holds", async () => {
    expect(events.length).toBeGreaterThan(0);
    expect(events.flatMap(invalid)).toEqual([]);
    expect(await broken(events)).toEqual([]);
  });

  test("every subject folds to the state that it had", () => {
    states = statesOf(events);
    if (was === null) return;
    expect(Object.entries(was.states).flatMap(([key, state]) => differences(key, state, states[key]))).toEqual([]);
    expect(Object.keys(states).toSorted()).toEqual(Object.keys(was.states).toSorted());
  });

  test("its database is migrated forward, every projection is made again as it was, and a server starts on it", async () => {
    const database = `h_${release.replaceAll(".", "_")}_${name.replaceAll(/\W/g, "_")}_${Date.now().toString(36)}`;
    const connection = (role: Parameters<typeof db.connection>[0], other?: string) => db.connection(role, other ?? database);
    const admin = new Client(db.connection("admin", "postgres"));
    await admin.connect();
    try {
      await admin.query(`create database ${database} owner sb_owner`);
      await restoreDatabase(connection, MIGRATION_SETS, dump);
      let tables: Expected["tables"] = {};
      const seen = new Error("the projections were looked at");
      const projected = async (): Promise<void> => {
        tables = await projectionsOf(connection);
        // To start is the same for all of them, and takes longer than all the rest.
        if (name !== STARTED) throw seen;
      };
      const starting = startComposed({ connection }, { projected });
      const app = name === STARTED ? await starting : await starting.catch((error: unknown) => (expect(error).toBe(seen), null));
      try {
        if (was === null) writeFileSync(expected, gzipSync(JSON.stringify({ states, tables } satisfies Expected), { level: 9 }));
        else expect(Object.entries(was.tables).flatMap(([table, rows]) => tableDifferences(table, rows, tables[table]))).toEqual([]);
        if (app === null) return;
        expect((await app.call("GET", "/v1/health")).body.parts).toContainEqual({ name: "log", ok: true, detail: null });
        const upgraded = await app.call("GET", "/v1/audit/verify?stream=organization:ws_dev", { token: app.owner });
        expect(upgraded.body).toMatchObject({ valid: true });
      } finally {
        await app?.close();
      }
    } finally {
      await admin.query(`drop database if exists ${database} with (force)`);
      await admin.end();
    }
  }, 120_000);
});

async function projectionsOf(connection: typeof db.connection): Promise<Expected["tables"]> {
  const client = new Client(connection("admin"));
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname like 'proj\\_%' order by 1",
    );
    const tables: Record<string, Record<string, unknown>[]> = {};
    for (const { name } of rows) {
      const found = await client.query<{ row: Record<string, unknown> }>(`select to_jsonb(t) as row from ${name} t order by t::text`);
      tables[name] = found.rows.map(({ row }) => row);
    }
    return tables;
  } finally {
    await client.end();
  }
}

test("every event type that was released is in a recorded history, or is named with the reason why not", () => {
  const released = Object.keys((JSON.parse(readFileSync(RELEASED, "utf8")) as { events: object }).events);
  const recorded = new Set(histories.flatMap(({ file }) => ownEvents(dumpOf(file)).map(({ type }) => type)));
  // The sample is a recording of 0.1.0 as well: a real agent at work.
  for (const line of readFileSync(SAMPLE, "utf8").split("\n")) {
    if (!line.includes('"kind":"event"')) continue;
    const { header } = JSON.parse(line) as { header: string };
    recorded.add((JSON.parse(header) as { type: string }).type);
  }
  expect(released.filter((type) => !recorded.has(type) && UNRECORDED[type] === undefined)).toEqual([]);
  expect(
    Object.keys(UNRECORDED).filter((type) => recorded.has(type)),
    "these are recorded by now",
  ).toEqual([]);
});
