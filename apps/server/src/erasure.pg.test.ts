/*
 * What is erased is gone from everywhere: not only from the log, but from every table that anything was made of.
 *
 * Generated: of recorded histories, one event of every type that may be erased is, through the route; then no text of
 * theirs stands in any table of the database, and a rebuild finds nothing else than what is there.
 */
import { databaseTest } from "@signalbox/testkit/database";
import { restoreDatabase, type DatabaseDump } from "@signalbox/testkit/dump";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { type Composed, startComposed } from "./composed.fixture.ts";
import { readGzipped, recordedHistories } from "./histories.fixture.ts";
import { MIGRATION_SETS } from "./postgres/schema.ts";

const db = databaseTest();
/** Between them they have messages, runs, approvals, tool calls, artifacts, model keys and sessions in every state. */
const TAKEN = ["desk", "engine"];
const OF_EACH_TYPE = 1;

interface Stored {
  readonly event_id: string;
  readonly type: string;
  readonly data: string;
}

describe.each(recordedHistories().filter(({ name }) => TAKEN.includes(name)))("$release $name", ({ file, name }) => {
  test("no text of an erased event stands in any table, and a rebuild agrees", async () => {
    const database = `e_${name}_${Date.now().toString(36)}`;
    const connection = (role: Parameters<typeof db.connection>[0], other?: string) => db.connection(role, other ?? database);
    const admin = new Client(db.connection("admin", "postgres"));
    await admin.connect();
    await admin.query(`create database ${database} owner sb_owner`);
    const client = new Client(connection("admin"));
    try {
      await restoreDatabase(connection, MIGRATION_SETS, readGzipped<DatabaseDump>(file));
      const app = await startComposed({ connection }, { harnesses: {} });
      try {
        await client.connect();
        await atRest(client);
        const { erased, kept } = await eraseSome(app, client);
        expect(erased.length).toBeGreaterThan(10);
        const secrets = [...new Set(erased.flatMap(({ type, data }) => textsOf(JSON.parse(data)).map((text) => `${type}: ${text}`)))];
        const alone = secrets.filter((secret) => !kept.some(({ data }) => has(data, textAfter(secret))));
        expect(alone.length).toBeGreaterThan(2);
        const places = await everything(client);
        expect(
          alone.flatMap((secret) => places.filter(([, text]) => has(text, textAfter(secret))).map(([at]) => `${secret} in ${at}`)),
        ).toEqual([]);
        const rebuilt = await app.call("POST", "/v1/audit/rebuild", { token: app.owner, body: { dry_run: true } });
        expect(rebuilt.body.projections.filter((one: { drift: unknown[] }) => one.drift.length > 0)).toEqual([]);
      } finally {
        await app.close();
        await client.end();
      }
    } finally {
      await admin.query(`drop database if exists ${database} with (force)`);
      await admin.end();
    }
  }, 180_000);
});

/** What was going on when it was recorded has ended: no agent is installed here. */
async function atRest(client: Client): Promise<void> {
  const head = async (): Promise<string> =>
    (await client.query<{ head: string }>("select max(position) as head from evt_events")).rows[0]!.head;
  for (let before = "", now = await head(); before !== now;) {
    await new Promise((resolve) => setTimeout(resolve, 700));
    [before, now] = [now, await head()];
  }
}

/** All but what says why somebody may still come in: erasing that is refused. */
async function eraseSome(app: Composed, client: Client): Promise<{ erased: Stored[]; kept: Stored[] }> {
  const { rows } = await client.query<Stored & { nth: string }>(
    `select e.event_id, e.type, p.data, row_number() over (partition by e.type order by e.position desc) as nth
       from evt_events e join evt_payloads p using (position)
      where e.organization_id = 'ws_dev' and p.data is not null order by e.position`,
  );
  const erased: Stored[] = [];
  for (const { event_id, nth } of rows) {
    if (Number(nth) > OF_EACH_TYPE) continue;
    const answer = await app.call("POST", "/v1/audit/redact", { token: app.owner, body: { event_id, reason: "a person asked" } });
    if (answer.status === 200) erased.push(rows.find((row) => row.event_id === event_id)!);
    else expect(["event_in_force", "event_already_redacted", "event_is_evidence"]).toContain(answer.body.error.code);
  }
  return { erased, kept: rows.filter((row) => !erased.some((one) => one.event_id === row.event_id)) };
}

/** What somebody wrote, as against ids, codes, times and hashes: it has words. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return value.trim().includes(" ") && value.length >= 8 ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}
const textAfter = (secret: string): string => secret.slice(secret.indexOf(": ") + 2);
const has = (place: string, text: string): boolean => place.includes(text) || place.includes(JSON.stringify(text).slice(1, -1));

/** Every row of every table, as text, with where it is. */
async function everything(client: Client): Promise<(readonly [string, string])[]> {
  const { rows: tables } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1",
  );
  const all: (readonly [string, string])[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: Record<string, unknown> }>(`select to_jsonb(t) as row from ${name} t`);
    for (const { row } of rows)
      for (const [column, value] of Object.entries(row))
        if (value !== null) all.push([`${name}.${column}`, typeof value === "string" ? value : JSON.stringify(value)]);
  }
  return all;
}
