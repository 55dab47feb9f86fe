import { NewerEvent, since, type EventVersions } from "@signalbox/contract/event-versions";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { databaseTest } from "@signalbox/testkit/database";
import { Client } from "pg";
import { expect, test } from "vitest";
import { z } from "zod";
import { ORG, origin, room } from "./fixtures.ts";
import type { Projection, Recorded } from "./log.ts";
import { applyProjectionSchemas } from "./projection-schema.ts";
import { startReader } from "./reader.ts";
import { rebuild, type ProjectionSchema } from "./rebuild.ts";

/* A light that was first only on or off, then had a level in per cent, and now says who may see its colour. */
const V1 = z.object({ on: z.boolean() });
const V2 = z.object({ level: z.int() });
const V3 = z.object({ brightness: z.object({ percent: z.int() }) });
const first: EventVersions = {};
const second: EventVersions = { "lamp.set": since(V1).becomes(V2, ({ on }) => ({ level: on ? 100 : 0 })) };
const third: EventVersions = {
  "lamp.set": since(V1)
    .becomes(V2, ({ on }) => ({ level: on ? 100 : 0 }))
    .becomes(V3, ({ level }) => ({ brightness: { percent: level } })),
};

type Lamp = Decider<unknown[], object, { type: string; data: object }, { code: "never" }>;
/** Of whichever age: it remembers what it was given. */
const lamp = (): Lamp => ({
  initial: [],
  decide: (_state, data) => accept({ type: "lamp.set", data }),
  evolve: (state, event) => [...state, event.data],
});
const target = { organizationId: ORG, origin, stream: room("a"), subject: "lamp:hall" };

const lamps: Projection = {
  name: "lamps",
  types: ["lamp.set"],
  tables: ["proj_lamps"],
  async project(tx, batch) {
    for (const { event, subjectVersion } of batch)
      await tx.query("insert into proj_lamps (version, said) values ($1, $2) on conflict do nothing", [
        subjectVersion,
        JSON.stringify(event.data),
      ]);
  },
};
const schema: ProjectionSchema = {
  name: "lamps",
  sql: "create table proj_lamps (version bigint primary key, said text not null)",
  projections: [lamps],
};

const db = databaseTest();

test("a history that three releases wrote is read in today's shape everywhere, and stays stored as it was written", async () => {
  await applyProjectionSchemas(db.connection, [schema]);
  for (const [versions, data] of [
    [first, { on: true }],
    [second, { level: 40 }],
    [third, { brightness: { percent: 7 } }],
  ] as const) {
    const log = await db.log({ versions, projections: [lamps] });
    await log.run(lamp(), target, data);
  }
  const today = [{ brightness: { percent: 100 } }, { brightness: { percent: 40 } }, { brightness: { percent: 7 } }];
  const log = await db.log({ versions: third, projections: [lamps] });

  expect((await log.state(lamp(), ORG, "lamp:hall")).state, "a decider's fold").toEqual(today);
  expect(
    (await log.readStream(ORG, room("a"), { afterSeq: 0, limit: 10 })).map(({ event, version }) => ({ data: event.data, version })),
    "a stream",
  ).toEqual(today.map((data) => ({ data, version: 3 })));
  const read: Recorded[] = [];
  const reader = startReader({
    name: "lamps",
    pool: db.pool("sb_log"),
    log,
    versions: third,
    handle: async (_tx, events) => void read.push(...events),
    onError: (error) => expect(error).toBeNull(),
  });
  await reader.caughtUp();
  await reader.stop();
  expect(
    read.map(({ event }) => event.data),
    "a reader",
  ).toEqual(today);
  const owner = new Client(db.connection("sb_owner"));
  await owner.connect();
  await rebuild(owner, schema, { compare: false, versions: third });
  await owner.end();
  const rows = await db.rows<{ said: string }>("select said from proj_lamps order by version");
  expect(
    rows.map(({ said }) => JSON.parse(said) as unknown),
    "a projection",
  ).toEqual(today);

  const stored = await db.rows<{ version: string; data: string }>(
    `select e.header::json ->> 'version' as version, p.data from evt_events e join evt_payloads p using (position) order by position`,
  );
  expect(stored).toEqual([
    { version: "1", data: '{"on":true}' },
    { version: "2", data: '{"level":40}' },
    { version: "3", data: '{"brightness":{"percent":7}}' },
  ]);
});

test("an event that a newer server wrote is not guessed at", async () => {
  const older = await db.log({ versions: second, projections: [lamps] });
  await expect(older.state(lamp(), ORG, "lamp:hall")).rejects.toThrow(NewerEvent);
  await expect(older.readStream(ORG, room("a"), { afterSeq: 0, limit: 10 })).rejects.toThrow("start that version, or restore a backup");
});

test("an erased event is empty in every shape", async () => {
  const log = await db.log({ versions: third, projections: [lamps] });
  const [first] = await log.readStream(ORG, room("a"), { afterSeq: 0, limit: 1 });
  const redact: Lamp = { ...lamp(), decide: (_state, data) => accept({ type: "event.redacted", data }) };
  const { recorded } = await log.run(
    redact,
    { ...target, subject: `event:${first!.eventId}` },
    { target_event_id: first!.eventId, reason: "asked to", level: "full" },
  );
  await db.pool("sb_log").query("select evt_erase($1, $2)", [first!.eventId, recorded[0]!.eventId]);
  expect((await log.state(lamp(), ORG, "lamp:hall")).state).toEqual([{}, { brightness: { percent: 40 } }, { brightness: { percent: 7 } }]);
});
