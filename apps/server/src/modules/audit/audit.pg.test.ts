import { exportLog, redactEvent, verifyStream } from "@signalbox/contract/log";
import type { Decider } from "@signalbox/kernel/decider";
import { systemClock } from "@signalbox/kernel/clock";
import { accept } from "@signalbox/kernel/decider";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { databaseTest } from "@signalbox/testkit/database";
import { verifyExport } from "@signalbox/verify/export";
import { rootOf } from "@signalbox/verify/merkle";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { hashText } from "@signalbox/verify/primitives";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import type { Module } from "../../module.ts";
import { checkpoint } from "./checkpoint.ts";
import { createAudit } from "./public.ts";
import { openSigningKeys, type SigningKeys } from "./signing-key.ts";

const ORG = "ws_dev";
const database = databaseTest();
let keys: string;
let signing: SigningKeys;
let audit: Module;
let requests: RequestDatabase;
let write: (stream: string, text: string) => Promise<string>;

interface Said {
  readonly type: "message.created";
  readonly data: { readonly text: string };
}
const saying: Decider<null, string, Said, { code: never }> = {
  initial: null,
  decide: (_, text) => accept<Said>({ type: "message.created", data: { text } }),
  evolve: () => null,
};
const origin = { principal: { id: "usr_owner", type: "user" } } as const;

beforeAll(async () => {
  keys = await mkdtemp(join(tmpdir(), "signalbox-keys-"));
  signing = await openSigningKeys(keys);
  const log = await database.log({ enqueue: enqueueJobs });
  requests = openDatabase(database.connection("sb_app"), { connections: 2, onError: () => undefined });
  audit = createAudit({
    driftCheck: null,
    log,
    db: requests,
    clock: systemClock,
    logger: pino({ level: "silent" }),
    logPool: database.pool("sb_log"),
    keys: signing,
    organizations: () => Promise.resolve([ORG]),
    visibleRooms: () => Promise.resolve(null),
    isInForce: () => Promise.resolve(false),
    rebuild: () => Promise.resolve([]),
    blobs: diskBlobs(join(keys, "blobs")),
    importsDirectory: join(keys, "imports"),
    projections: () => [],
  });
  write = async (stream, text) => {
    const result = await log.run(
      saying,
      { organizationId: ORG, origin, stream: { type: "room", id: stream }, subject: `message:${stream}` },
      text,
    );
    return result.recorded[0]!.eventId;
  };
  for (let i = 0; i < 20; i++) await write(i % 2 === 0 ? "room_a" : "room_b", `say ${i}`);
});
afterAll(async () => {
  await requests.close();
  await rm(keys, { recursive: true, force: true });
});

/** Calls a bound route as the owner of an organization. */
async function call(route: { id: string }, input: { query?: object; body?: object }, organizationId = ORG): Promise<unknown> {
  const bound = audit.routes.find((candidate) => candidate.route.id === route.id)!;
  const request = { ...input, caller: { organizationId }, now: systemClock.now(), origin };
  return (bound.handler as (request: unknown) => Promise<unknown>)(request);
}
async function exported(): Promise<string[]> {
  const lines: string[] = [];
  for await (const frame of (await call(exportLog, { query: {} })) as AsyncIterable<{ text: string }>) lines.push(frame.text);
  return lines;
}

test("an export verifies with the public key alone, up to its last event", async () => {
  const lines = await exported();
  const verifier = await parseKey(nodePrimitives, (await signing.first(ORG)).key.text);
  const report = await verifyExport(nodePrimitives, lines, [verifier]);
  expect(report).toMatchObject({ valid: true, events: 20, streams: 2, first_mismatch: null, problems: [] });
  expect(report.covered_to).toBe((JSON.parse(lines[20]!) as { position: number }).position);
});

test("an export in which one event was edited fails, with the place named", async () => {
  const lines = (await exported()).map((line) => line.replace("say 6", "say 7"));
  const verifier = await parseKey(nodePrimitives, (await signing.first(ORG)).key.text);
  expect(await verifyExport(nodePrimitives, lines, [verifier])).toMatchObject({
    valid: false,
    first_mismatch: { stream: "room:room_a", seq: 4, kind: "data_hash_mismatch" },
  });
});

test("verify recomputes a stream and says how far it looked", async () => {
  expect(await call(verifyStream, { query: { stream: "room:room_a", from_seq: 0 } })).toMatchObject({
    checked: 10,
    last_seq: 10,
    valid: true,
    first_mismatch: null,
  });
  expect(await call(verifyStream, { query: { stream: "room:room_a", from_seq: 6 } })).toMatchObject({ checked: 5, valid: true });
});

test("another organization's stream is not there", async () => {
  expect(await call(verifyStream, { query: { stream: "room:room_a", from_seq: 0 } }, "ws_other")).toMatchObject({
    ok: false,
    refusal: { code: "stream_not_found" },
  });
});

test("a byte changed in the database itself is found, with its place", async () => {
  const target = await write("room_c", "before");
  await write("room_c", "after");
  // Only whoever owns the database can get past the append-only triggers, by switching them off.
  await database.rows("alter table evt_payloads disable trigger evt_payloads_append_only");
  await database.rows(
    'update evt_payloads set data = \'{"text":"beforf"}\' where position = (select position from evt_events where event_id = $1)',
    [target],
  );
  await database.rows("alter table evt_payloads enable always trigger evt_payloads_append_only");
  expect(await call(verifyStream, { query: { stream: "room:room_c", from_seq: 0 } })).toMatchObject({
    valid: false,
    first_mismatch: { seq: 1, event_id: target, event_type: "message.created", kind: "data_hash_mismatch" },
  });
});

test("redaction erases the payload and leaves the chain whole", async () => {
  const target = await write("room_d", "private words");
  await write("room_d", "other words");
  expect(await call(redactEvent, { body: { event_id: target, reason: "asked by the person" } })).toMatchObject({
    event_id: target,
    redaction: "full",
    data: {},
  });
  expect(await call(redactEvent, { body: { event_id: target, reason: "again" } })).toMatchObject({
    ok: false,
    refusal: { code: "event_already_redacted" },
  });
  expect(await call(verifyStream, { query: { stream: "room:room_d", from_seq: 0 } })).toMatchObject({ valid: true, checked: 3 });
  expect((await exported()).join("\n")).not.toContain("private words");
});

test("a checkpoint is made once per state of the log, and grows with it", async () => {
  const pool = database.pool("sb_log");
  const first = await checkpoint(pool, signing, ORG, systemClock.now());
  expect(await checkpoint(pool, signing, ORG, systemClock.now())).toEqual(first);
  await write("room_a", "more");
  expect((await checkpoint(pool, signing, ORG, systemClock.now()))!.position).toBeGreaterThan(first!.position);
});

test("a checkpoint signs the heads that stand there, whatever was remembered of the one before", async () => {
  const pool = database.pool("sb_log");
  const standing = () =>
    database.rows<{ stream: string; seq: string; hash: string }>(
      `select stream_type || ':' || stream_id as stream, seq, 'sha256:' || encode(hash, 'hex') as hash from evt_stream_heads
        where organization_id = '${ORG}' and seq > 0 and import_id is null order by stream_type, stream_id`,
    );
  // Nothing remembered, one stream moved, a stream that is new and stands between others, and again with nothing.
  for (const room of ["room_a", "room_a", "room_0", "room_zz"]) {
    await write(room, "something");
    const one = (await checkpoint(pool, signing, ORG, systemClock.now()))!;
    const heads = (await standing()).map((head) => ({ ...head, seq: Number(head.seq) }));
    expect([one.streams, one.root_hash]).toEqual([heads.length, hashText(await rootOf(nodePrimitives, heads))]);
    const [kept] = await database.rows<{ heads: string }>(
      `select audit_heads(c) as heads from audit_checkpoints c where position = ${one.position}`,
    );
    expect(JSON.parse(kept!.heads)).toEqual(heads);
  }
});

test("what one stream moved is all that a checkpoint writes of the heads of many", async () => {
  const pool = database.pool("sb_log");
  const pages = async () => Number((await database.rows<{ n: string }>("select count(*) as n from audit_head_pages"))[0]!.n);
  await Promise.all(Array.from({ length: 600 }, (_, i) => write(`room_many${i}`, "something")));
  await checkpoint(pool, signing, ORG, systemClock.now());
  const before = await pages();
  await write("room_many300", "more");
  await write("room_manynew", "a stream that is new");
  await checkpoint(pool, signing, ORG, systemClock.now());
  const written = (await pages()) - before;
  expect(written).toBeGreaterThan(0);
  // One, or two when the new stream stands in another page.
  expect(written).toBeLessThanOrEqual(2);
});

test("a checkpoint that keeps its heads by itself, as before there were pages, is exported as others", async () => {
  const pool = database.pool("sb_log");
  await write("room_a", "kept whole");
  const { position, note } = (await checkpoint(pool, signing, ORG, systemClock.now()))!;
  const before = (await exported()).find((line) => line.includes(JSON.stringify(note)));
  await database.pool("admin").query("update audit_checkpoints c set heads = audit_heads(c), pages = null where position = $1", [position]);
  expect((await exported()).find((line) => line.includes(JSON.stringify(note)))).toBe(before);
});

test("many who sign at once all get the same checkpoint", async () => {
  const pool = database.pool("sb_log");
  await write("room_a", "one more");
  const made = await Promise.all(Array.from({ length: 6 }, () => checkpoint(pool, signing, ORG, systemClock.now())));
  expect(new Set(made.map((one) => one!.note)).size).toBe(1);
});

test("an export carries every checkpoint, however many there are", async () => {
  const pool = database.pool("sb_log");
  for (let i = 0; i < 25; i++) {
    await write("room_e", `say ${i}`);
    await checkpoint(pool, signing, ORG, systemClock.now());
  }
  const checkpoints = (await exported()).filter((line) => line.startsWith('{"kind":"checkpoint"'));
  const positions = checkpoints.map((line) => Number(/position (\d+)/.exec(line)![1]));
  expect(positions.length).toBeGreaterThan(25);
  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
});

test.each(["nonsense", "room:", "room:\0", "table:evt_events", ":", "room:a b"])(
  "an export of the stream %j is refused, not a fault",
  async (stream) => {
    expect(await call(exportLog, { query: { stream } })).toMatchObject({ ok: false, refusal: { code: "stream_not_found" } });
  },
);

test("two processes that boot first at the same time end with one key, readable by the server alone", async () => {
  const directory = join(keys, "race");
  const opened = await Promise.all([openSigningKeys(directory), openSigningKeys(directory), openSigningKeys(directory)]);
  const ids = await Promise.all(opened.map(async (one) => (await one.first(ORG)).key.id));
  expect(new Set(ids).size).toBe(1);
  expect((await stat(join(directory, "checkpoint.pem"))).mode & 0o777).toBe(0o600);
});
