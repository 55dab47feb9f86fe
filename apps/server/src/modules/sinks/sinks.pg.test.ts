/* Workers that die between any two steps of a delivery, against a receiver that keeps what it got. */
import { createSink } from "@signalbox/contract/sinks";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { systemClock } from "@signalbox/kernel/clock";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import { createSecrets } from "../secrets/public.ts";
import { createSinks } from "./public.ts";
import { startReceiver, type Receiver } from "./receivers.fixture.ts";
import { sinksProjection } from "./sinks.projection.ts";

const ORG = "ws_dev";
const database = databaseTest();
const origin = { principal: { id: "usr_owner", type: "user" } } as const;
let directory: string;
let receiver: Receiver;
let requests: RequestDatabase;
let sinkId: string;
let write: (text: string) => Promise<string>;

const saying: Decider<null, object, { type: "message.created"; data: object }, { code: never }> = {
  initial: null,
  decide: (_, data) => accept({ type: "message.created" as const, data }),
  evolve: () => null,
};

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "signalbox-sinks-"));
  receiver = await startReceiver();
  const log = await database.log({ enqueue: enqueueJobs, projections: [sinksProjection] });
  requests = openDatabase(database.connection("sb_app"), { connections: 2, onError: () => undefined });
  const deps = { log, db: requests, clock: systemClock, logger: pino({ level: "silent" }) };
  const secrets = createSecrets({ ...deps, organizations: () => Promise.resolve([ORG]), keysDirectory: directory });
  const sinks = createSinks({ ...deps, pool: database.pool("sb_log"), secrets, allowPrivate: true, maxFailures: 8, firstRetryMs: 1000 });
  const bound = sinks.routes.find(({ route }) => route.id === createSink.id)!;
  const body = createSink.body.parse({ name: "Ours", kind: "webhook", url: `${receiver.url}/hook`, types: ["message.*"] });
  const made = (await (bound.handler as (request: unknown) => Promise<unknown>)({
    body,
    caller: { organizationId: ORG, principal: origin.principal },
    origin,
    now: systemClock.now(),
  })) as { id: string; secret: string };
  sinkId = made.id;
  receiver.secret(made.secret);
  write = async (text) => {
    const target = { organizationId: ORG, origin, stream: { type: "room", id: "room_a" }, subject: "message:room_a" } as const;
    return (await log.run(saying, target, { text })).recorded[0]!.eventId;
  };
});
afterAll(async () => {
  await requests?.close();
  await receiver?.close();
  await rm(directory, { recursive: true, force: true });
});

const run = (crashAt?: string) =>
  startScript(path.join(import.meta.dirname, "sinks-crash.script.ts"), {
    args: [database.connection("sb_log"), database.connection("sb_app"), directory, sinkId],
    ...(crashAt === undefined ? {} : { crashAt }),
  });
const got = (): string[] => receiver.received.map(({ id }) => id);
const recorded = async (): Promise<string[]> =>
  (await database.rows<{ event_id: string }>("select event_id from sink_deliveries where state = 'delivered' order by position")).map(
    ({ event_id: id }) => id,
  );

test("killed between claim, delivery and record, every event arrives in order; again only where it was not recorded, and under its id", async () => {
  const [one, two, three] = [await write("one"), await write("two"), await write("three")];
  expect(await run("claimed").ended).toBe("SIGKILL");
  expect([got(), await recorded()]).toEqual([[], []]);
  // The receiver has it, and nobody here knows.
  expect(await run("delivered").ended).toBe("SIGKILL");
  expect([got(), await recorded()]).toEqual([[one], []]);
  // Acknowledgement and cursor are one statement: what was recorded is behind it.
  expect(await run("recorded").ended).toBe("SIGKILL");
  expect([got(), await recorded()]).toEqual([[one, one], [one]]);
  const done = run();
  expect([await done.ended, done.stderr()]).toEqual([0, ""]);
  expect([got(), await recorded()]).toEqual([
    [one, one, two, three],
    [one, two, three],
  ]);
  // Whoever comes next finds nothing to do.
  expect(await run().ended).toBe(0);
  expect(got()).toHaveLength(4);
}, 60_000);

test("killed while what failed waits for its next try, it is tried again with its attempts counted on", async () => {
  receiver.answer(500);
  const four = await write("four");
  expect(await run().ended).toBe(0);
  expect(await database.rows("select failures, next_attempt_at > now() as later from sink_cursors")).toEqual([
    { failures: 1, later: true },
  ]);
  await database.rows("update sink_cursors set next_attempt_at = null");
  expect(await run("delivered").ended).toBe("SIGKILL");
  expect(await run().ended).toBe(0);
  expect(got().slice(4)).toEqual([four, four]);
  expect(await database.rows("select attempts, state from sink_deliveries where event_id = $1", [four])).toEqual([
    { attempts: 2, state: "delivered" },
  ]);
}, 60_000);
