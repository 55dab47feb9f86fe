/* What is collected of the store of contents and what is not; workers that die in between; writers that put what is being collected. */
import { archiveStreams } from "@signalbox/contract/archives";
import { createCheckpoint, redactEvent } from "@signalbox/contract/log";
import type { EventId } from "@signalbox/contract/primitives";
import { blobAnchor } from "@signalbox/providers/anchor/blob/blob";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import type { Blobs } from "@signalbox/providers/blob/port";
import { s3Blobs } from "@signalbox/providers/blob/s3/s3";
import { testClock } from "@signalbox/testkit/clock";
import { startScript } from "@signalbox/testkit/crash";
import { startS3Server } from "@signalbox/testkit/s3-server";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeEach, expect, test } from "vitest";
import { pardoning } from "../../blobs.ts";
import { auditStage, ORG, origin } from "./audit.fixture.ts";
import { createContents, type ContentsDeps } from "./contents.ts";
import { redaction } from "./redaction.ts";

const GRACE_MS = 48 * 3_600_000;
const stage = auditStage((deps) => ({
  anchors: new Map([["blob", blobAnchor(deps.blobs, "here")]]),
  roomsOver: async (_, ids) => ids.filter((id) => id === "room_over"),
  atErasedContent: () => erasing(),
}));
let erasing = async (): Promise<void> => undefined;
const pool = () => stage.database.pool("sb_log");
const signal = new AbortController().signal;
const clock = testClock();
const silent = pino({ level: "silent" });

const collector = (more: Partial<ContentsDeps> = {}) =>
  createContents({ clock, logger: silent, logPool: pool(), blobs: stage.deps.blobs, contentGraceH: 48, ...more });
const gauge = (of: ReturnType<typeof collector>, name: string): number => of.gauges.find(([one]) => one === name)![2]();
/** Looked through, and once more when what was without a name is due. */
async function collectTwice(of = collector()) {
  await of.run(signal);
  clock.advance(GRACE_MS);
  await of.run(signal);
  return gauge(of, "signalbox_contents_collected_total");
}
const there = async (sha256: string, blobs: Blobs = stage.deps.blobs) => (await blobs.sizeOf(ORG, sha256)) !== null;
const names = (sha256: string, room = "room_a") => stage.write(room, { artifact_id: "art_1", sha256 });
const watched = async (sha256: string) =>
  (await pool().query<{ named_at: string | null }>("select named_at from content_watch where sha256 = $1", [sha256])).rows[0]?.named_at;
const job = { id: "1", organizationId: ORG, attempt: 1, fence: 1, signal };

beforeEach(() => pool().query("delete from content_watch"));

test("what an event names stays; what none ever named, or none does any more, goes once the grace period is over", async () => {
  const { blobs } = stage.deps;
  const named = await blobs.put(ORG, "named by an event");
  await names(named.sha256);
  const upload = await blobs.put(ORG, "put, and then the process died");
  const erased = await blobs.put(ORG, "its event was erased");
  const target = await names(erased.sha256);
  await stage.call(redactEvent, { body: { event_id: target, reason: "test" } });
  expect(await there(erased.sha256)).toBe(false);
  await blobs.put(ORG, "its event was erased"); // as after a restore of an older store
  const strange = await blobs.put("ws_gone", "of an organization that is no more");

  const collect = collector();
  await collect.run(signal);
  expect(gauge(collect, "signalbox_contents_collected_total")).toBe(0);
  clock.advance(GRACE_MS - 1000);
  await collect.run(signal);
  expect([gauge(collect, "signalbox_contents_collected_total"), await there(upload.sha256)]).toEqual([0, true]);
  clock.advance(1000);
  await collect.run(signal);
  expect(await Promise.all([named, upload, erased].map(({ sha256 }) => there(sha256)))).toEqual([true, false, false]);
  expect(await blobs.sizeOf("ws_gone", strange.sha256)).toBeNull();
  expect(gauge(collect, "signalbox_contents_collected_total")).toBe(3);
  expect(gauge(collect, "signalbox_contents_collected_bytes_total")).toBe(upload.sizeBytes + erased.sizeBytes + strange.sizeBytes);
  expect(gauge(collect, "signalbox_contents_unnamed")).toBe(0);
  // Known by now: the event is not looked for again until it is gone.
  expect(Number(await watched(named.sha256))).toBeGreaterThan(0);
});

test("an event that comes within the grace period saves its content, and erasing it later gives the content up", async () => {
  const { sha256 } = await stage.deps.blobs.put(ORG, "attached a day later");
  await collector().run(signal);
  clock.advance(GRACE_MS / 2);
  const event = await names(sha256);
  clock.advance(GRACE_MS);
  await collector().run(signal);
  expect([await there(sha256), Number(await watched(sha256)) > 0]).toEqual([true, true]);
  await forget(event);
  expect(await collectTwice()).toBe(1);
  expect(await there(sha256)).toBe(false);
});

/** Erased by a worker that died before it erased the content: only its text is gone. */
async function forget(event: string, room = "room_a"): Promise<void> {
  const { recorded } = await stage.deps.log.run(
    redaction,
    { organizationId: ORG, origin, stream: { type: "room", id: room }, subject: `event:${event}` },
    { type: "redact", target: event as EventId, reason: "test", content: [] },
  );
  await pool().query("select evt_erase($1, $2)", [event, recorded[0]!.eventId]);
}

test("archives, what archived events name, and anchored checkpoints stay; what an archive had before does not", async () => {
  const { blobs } = stage.deps;
  const named = await blobs.put(ORG, "named by an event that is archived");
  await names(named.sha256, "room_over");
  const target = await stage.write("room_over", "to be erased from the archive");
  await stage.call(createCheckpoint, {});
  await stage.audit.jobs["audit.anchor"]!({ ...job, kind: "audit.anchor", payload: { anchor: "blob" } });
  await stage.call(archiveStreams, { body: { dry_run: false, older_than_days: 0 } });
  await stage.audit.jobs["audit.archive"]!({ ...job, kind: "audit.archive", payload: { older_than_days: 0 } });
  const archive = async () => (await pool().query<{ sha256: string }>("select sha256 from evt_archives")).rows[0]!.sha256;
  const before = await archive();
  const anchored = (await pool().query<{ ref: string }>("select ref from audit_anchored")).rows[0]!.ref;
  expect(await collectTwice()).toBe(0);

  const text = (await blobs.get(ORG, before))!;
  await stage.call(redactEvent, { body: { event_id: target, reason: "test" } });
  await blobs.put(ORG, text); // killed before it was erased
  expect(await archive()).not.toBe(before);
  expect(await collectTwice()).toBe(1);
  expect(await Promise.all([named.sha256, await archive(), anchored, before].map((one) => there(one)))).toEqual([true, true, true, false]);
});

test("killed between any two steps, the next run goes on and takes nothing that is named", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "signalbox-contents-"));
  afterAll(() => rm(directory, { recursive: true, force: true }));
  const blobs = diskBlobs(directory);
  const kept = await blobs.put(ORG, "kept");
  await names(kept.sha256);
  const orphan = await blobs.put(ORG, "an orphan");
  const run = (crashAt?: string) =>
    startScript(path.join(import.meta.dirname, "contents-crash.script.ts"), {
      args: [stage.database.connection("sb_log"), directory],
      ...(crashAt === undefined ? {} : { crashAt }),
    });
  expect(await run("listed").ended).toBe("SIGKILL");
  await pool().query("update content_watch set unnamed_since = unnamed_since - interval '1 hour'");
  for (const [step, left] of [
    ["judged", true],
    ["erased", false],
  ] as const) {
    expect([step, await run(step).ended, await there(orphan.sha256, blobs)]).toEqual([step, "SIGKILL", left]);
    expect(await watched(orphan.sha256)).toBeNull();
  }
  const done = run();
  expect([await done.ended, done.stderr()]).toEqual([0, ""]);
  expect([await watched(orphan.sha256), await there(kept.sha256, blobs)]).toEqual([undefined, true]);
});

test("who puts content again while it is being erased waits, and has it", async () => {
  const blobs = pardoning(stage.deps.blobs, pool());
  const { sha256 } = await blobs.put(ORG, "put again at the worst moment");
  const collect = collector();
  await collect.run(signal);
  clock.advance(GRACE_MS);
  let again: Promise<unknown> | undefined;
  let named = false;
  const steps: string[] = [];
  const racing = collector({
    async atContents(step) {
      steps.push(step);
      if (step !== "judged") return;
      again = blobs.put(ORG, "put again at the worst moment").then(() => (named = true));
      // It has come as far as the row.
      await expect
        .poll(async () => (await pool().query("select from pg_locks where not granted")).rowCount, { timeout: 5000 })
        .toBeGreaterThan(0);
      expect(named).toBe(false);
    },
  });
  await racing.run(signal);
  await again;
  expect([steps, await there(sha256)]).toEqual([["listed", "judged", "erased"], true]);
  await names(sha256);
  expect(await collectTwice()).toBe(0);
});

test("who puts content again just before it is judged has it pardoned", async () => {
  const blobs = pardoning(stage.deps.blobs, pool());
  const { sha256 } = await blobs.put(ORG, "pardoned");
  await collector().run(signal);
  clock.advance(GRACE_MS);
  await collector({
    async atContents(step) {
      if (step === "listed") await blobs.put(ORG, "pardoned");
    },
  }).run(signal);
  expect(await there(sha256)).toBe(true);
});

const eraseJob = (target: string) =>
  stage.audit.jobs["audit.erase"]!({ ...job, kind: "audit.erase", payload: { target } }) as Promise<{ runAgainAt: string } | undefined>;
const redact = (target: string) => stage.call(redactEvent, { body: { event_id: target, reason: "test" } });

test("who puts content again while it goes with the event that is erased waits, and has it", async () => {
  const blobs = pardoning(stage.deps.blobs, pool());
  const { sha256 } = await blobs.put(ORG, "erased with its event, and put again");
  const target = await names(sha256);
  let again: Promise<unknown> | undefined;
  let put = false;
  erasing = async () => {
    again = blobs.put(ORG, "erased with its event, and put again").then(() => (put = true));
    await expect
      .poll(async () => (await pool().query("select from pg_locks where not granted")).rowCount, { timeout: 60_000 })
      .toBeGreaterThan(0);
    expect(put).toBe(false);
  };
  try {
    await redact(target);
  } finally {
    erasing = async () => undefined;
  }
  expect(again).toBeDefined();
  await again;
  expect(await there(sha256)).toBe(true);
  // The job comes after the request that did it already: whoever put it may not have named it yet.
  await eraseJob(target);
  expect(await there(sha256)).toBe(true);
  await names(sha256, "room_b");
  await eraseJob(target);
  expect(await there(sha256)).toBe(true);
});

test("content that was put again before its event is erased waits for the other's event: with it, it stays, and without, it goes", async () => {
  const blobs = pardoning(stage.deps.blobs, pool());
  const texts = ["put again and named", "put again, and then the writer died"] as const;
  const [kept, left] = await Promise.all(
    texts.map(async (text) => {
      const { sha256 } = await blobs.put(ORG, text);
      return { text, sha256, target: await names(sha256) };
    }),
  );
  for (const one of [kept!, left!]) {
    await blobs.put(ORG, one.text);
    await redact(one.target);
    expect([one.text, await there(one.sha256)]).toEqual([one.text, true]);
    const inMs = Date.parse((await eraseJob(one.target))!.runAgainAt) - (await nowMs());
    expect([inMs > 0, inMs <= 600_000]).toEqual([true, true]);
  }
  await names(kept!.sha256, "room_b");
  await pool().query("update content_puts set again_at = again_at - interval '10 minutes'");
  expect([await eraseJob(kept!.target), await eraseJob(left!.target)]).toEqual([undefined, undefined]);
  expect([await there(kept!.sha256), await there(left!.sha256)]).toEqual([true, false]);
});
const nowMs = async () => Number((await pool().query<{ ms: string }>("select extract(epoch from now()) * 1000 as ms")).rows[0]!.ms);

test("content that another event names by the time it is to be erased stays; put once and erased, it is gone at once", async () => {
  const blobs = pardoning(stage.deps.blobs, pool());
  const { sha256 } = await blobs.put(ORG, "named by another meanwhile");
  const target = await names(sha256);
  // Recorded while it was the only one; whoever was to erase it died, and another named it.
  await stage.deps.log.run(
    redaction,
    { organizationId: ORG, origin, stream: { type: "room", id: "room_a" }, subject: `event:${target}` },
    { type: "redact", target: target as EventId, reason: "test", content: [sha256] },
  );
  await names(sha256, "room_b");
  await eraseJob(target);
  expect(await there(sha256)).toBe(true);
  const alone = await blobs.put(ORG, "named by one alone");
  await redact(await names(alone.sha256));
  expect(await there(alone.sha256)).toBe(false);
});

test("writers that put and name beside three collectors never name what is not there", async () => {
  const blobs = pardoning(stage.deps.blobs, pool());
  const ROUNDS = 12;
  const now = { writing: 0, held: undefined as Promise<void> | undefined, isOver: false, runs: 0 };
  const collectors = Array.from({ length: 3 }, async () => {
    const collect = collector({ blobs });
    for (; !now.isOver; now.runs++) await collect.run(signal);
    return gauge(collect, "signalbox_contents_collected_total");
  });
  /** The grace period is longer than any put and its event, so it goes by only between them. */
  async function goBy(): Promise<void> {
    while (!now.isOver) {
      const { promise, resolve } = Promise.withResolvers<void>();
      now.held = promise;
      while (now.writing > 0) await setImmediate();
      clock.advance(GRACE_MS);
      now.held = undefined;
      resolve();
      const at = now.runs;
      while (!now.isOver && now.runs === at) await setImmediate();
    }
  }
  const lost: string[] = [];
  async function write(i: number): Promise<void> {
    for (let round = 1; round <= ROUNDS; round++) {
      while (now.held !== undefined) await now.held;
      now.writing++;
      const { sha256 } = await blobs.put(ORG, `content ${i} that comes and goes`);
      const event = await names(sha256, `room_w${i}`);
      now.writing--;
      if (!(await there(sha256))) lost.push(`content ${i} in round ${round}`);
      if (round === ROUNDS) return;
      await forget(event, `room_w${i}`);
      // Put again about when it is due: before, while or after it is erased.
      const until = now.runs + ((i + round) % 8);
      while (now.runs < until) await setImmediate();
    }
  }
  const time = goBy();
  await Promise.all(Array.from({ length: 6 }, (_, i) => write(i)));
  now.isOver = true;
  await time;
  const collected = (await Promise.all(collectors)).reduce((sum, n) => sum + n, 0);
  expect(lost).toEqual([]);
  expect(collected).toBeGreaterThan(0);
}, 60_000);

test("in a bucket it goes page by page, and one that does not answer is said in health and tried again", async () => {
  const server = await startS3Server();
  const spoolDirectory = await mkdtemp(path.join(tmpdir(), "signalbox-spool-"));
  const { endpoint, bucket, accessKeyId, secretAccessKey } = server;
  const options = { endpoint, bucket, accessKeyId, secretAccessKey, region: "us-east-1", pathStyle: true, prefix: "", spoolDirectory };
  const blobs = s3Blobs({ ...options, attempts: 1 });
  try {
    await Promise.all(Array.from({ length: 25 }, (_, n) => blobs.put(ORG, `orphan ${n}`)));
    const kept = await blobs.put(ORG, "kept in the bucket");
    await names(kept.sha256);
    const collect = collector({ blobs, contentPage: 10 });
    server.faults([{ status: 503, code: "SlowDown" }]);
    await expect(collect.run(signal)).rejects.toThrow("contents could not be listed");
    expect(collect.problem()).toContain("orphaned contents could not be collected");
    expect(await collectTwice(collect)).toBe(25);
    expect(collect.problem()).toBeNull();
    expect([await there(kept.sha256, blobs), gauge(collect, "signalbox_contents")]).toEqual([true, 26]);
  } finally {
    blobs.close();
    await server.close();
    await rm(spoolDirectory, { recursive: true, force: true });
  }
}, 60_000);
