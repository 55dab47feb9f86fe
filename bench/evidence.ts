/*
 * History as evidence: what checking it, signing it and making it again cost. On a server of its own, whose log is
 * written through the public API: in some of 10,000 rooms messages are posted and task runs are worked off by engines
 * (claim, start, steps, tool calls, completion).
 *
 *   verify       the exported file, read from disk, in this process: events per second of processor. Beside it the
 *                same lines only parsed (JSON.parse, and of their headers) and hashed (as many SHA-256 of as much)
 *   checkpoint   POST /v1/audit/checkpoints after one more append, with a stream for each of 10,000 rooms
 *   rebuild      all projections of the server, one after the other, compared with the live tables and swapped in:
 *                events of the log per second, and what the projections were given in all per second
 *
 * `node evidence.ts [--only verify|checkpoint|rebuild] [--work N] [--rooms N] [--rounds N]`; the last line of stdout is
 * one JSON object.
 */
import { createWriteStream } from "node:fs";
import { hash } from "node:crypto";
import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { verifyExport } from "../packages/verify/src/export.ts";
import { nodePrimitives, wholeLines } from "../packages/verify/src/node.ts";
import { parseKey } from "../packages/verify/src/note.ts";
import { median, startServer } from "./server.ts";

const { values: flags } = parseArgs({
  options: {
    work: { type: "string", default: "3000" },
    rooms: { type: "string", default: "10000" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
  },
});
/** Turns of work, of about ten events each. */
const WORK = Number(flags.work);
const ROOMS = Number(flags.rooms);
const ROUNDS = Number(flags.rounds);
const CALLERS = 24;
const BUSY_ROOMS = 50;

const TEXT = "The build is green again: the flaky clock in the lease test was replaced, and the retry is now bounded. ".repeat(2);
const OUTPUT = "ok 1 - refuses a claim whose lease has expired\nok 2 - gives the next engine the run\n".repeat(3);

const server = await startServer();

/** An answer that is not a success ends the bench. */
async function call<T = Record<string, string>>(method: string, route: string, body: unknown = {}): Promise<T> {
  const { status, body: answer } = await server.call(method, route, method === "GET" ? undefined : body);
  if (status >= 300) throw new Error(`${method} ${route} was answered with ${status}: ${JSON.stringify(answer)}`);
  return answer as T;
}

/** `callers` at a time, until `work` says that it was the last. */
async function together(callers: number, work: () => Promise<boolean>): Promise<void> {
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (await work());
    }),
  );
}

async function writeRooms(): Promise<string[]> {
  const rooms: string[] = [];
  let asked = 0;
  await together(CALLERS, async () => {
    if (asked++ >= ROOMS) return false;
    rooms.push((await call("POST", "/v1/rooms", { title: `room ${asked}` }))["id"]);
    return true;
  });
  return rooms;
}

/** A message and a task run with two tool calls, worked off by whichever caller claims it: about ten events. */
async function writeWork(room: string, thread: string): Promise<void> {
  await call("POST", `/v1/threads/${thread}/messages`, { content_md: TEXT });
  await call("POST", "/v1/runs", { room_id: room, title: "Repair the lease test", goal: TEXT });
  const { run } = await call<{ run: { id: string; claim_token: string; epoch: number } | null }>("POST", "/v1/runs/claim", {
    room_id: room,
  });
  if (run === null) return;
  const fence = { claim_token: run.claim_token, epoch: run.epoch };
  await call("POST", `/v1/runs/${run.id}/start`, fence);
  const step = await call("POST", `/v1/runs/${run.id}/steps`, { ...fence, kind: "turn", title: "Run the tests" });
  for (const file of ["lease.test.ts", "clock.test.ts"]) {
    const tool = await call("POST", `/v1/steps/${step["id"]}/toolcalls`, {
      ...fence,
      name: "bash",
      arguments: { command: `vitest run ${file}` },
    });
    await call("POST", `/v1/toolcalls/${tool["id"]}/succeed`, { ...fence, output: OUTPUT, duration_ms: 420 });
  }
  await call("POST", `/v1/runs/${run.id}/complete`, { ...fence, summary: "The clock no longer stands still." });
}

async function writeHistory(): Promise<{ room: string; thread: string }> {
  const rooms = await writeRooms();
  const busy: { room: string; thread: string }[] = [];
  for (const room of rooms.slice(0, BUSY_ROOMS)) busy.push({ room, thread: (await call("POST", `/v1/rooms/${room}/threads`))["id"] });
  let turn = 0;
  await together(CALLERS, async () => {
    if (turn >= WORK) return false;
    const { room, thread } = busy[turn++ % busy.length];
    await writeWork(room, thread);
    return true;
  });
  return busy[0];
}

/** As `signalbox log export` does. */
function exportTo(file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = get(
      { host: "127.0.0.1", port: server.port, path: "/v1/audit/export", headers: { authorization: `Bearer ${server.token}` } },
      (answer) => {
        if (answer.statusCode === 200) pipeline(answer, createWriteStream(file)).then(resolve, reject);
        else reject(new Error(`the export was answered with ${answer.statusCode}`));
      },
    );
    asked.on("error", reject);
  });
}

/** Events per second of processor when they are only parsed and hashed. */
async function limitOf(file: string): Promise<number> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line.startsWith('{"kind":"event"'));
  const before = process.cpuUsage();
  let length = 0;
  for (const line of lines) {
    const { header, data, hash: own } = JSON.parse(line) as { header: string; data: string | null; hash: string };
    length += (JSON.parse(header) as { type: string }).type.length;
    for (const text of [header, own, data ?? ""]) length += hash("sha256", text, "hex").length;
  }
  const { user, system } = process.cpuUsage(before);
  if (length === 0) throw new Error("the export has no events");
  return lines.length / ((user + system) / 1e6);
}

type Measures = Record<string, number>;
interface Target {
  readonly target: string;
  readonly reached: number;
  readonly wanted: string;
  readonly ok: boolean;
}
interface Part {
  readonly measures: Measures;
  readonly target: Target;
}

async function checkpoint(thread: string): Promise<Part> {
  const signing: number[] = [];
  let streams = 0;
  for (let round = 0; round < ROUNDS * 2; round++) {
    await call("POST", `/v1/threads/${thread}/messages`, { content_md: TEXT });
    const began = performance.now();
    ({ streams } = await call<{ streams: number }>("POST", "/v1/audit/checkpoints"));
    signing.push(performance.now() - began);
  }
  const ms = median(signing);
  return {
    measures: { streams, checkpoint_p50_ms: ms },
    target: { target: `checkpoint at ${streams} streams, p50, ms`, reached: ms, wanted: "≤ 50", ok: ms <= 50 },
  };
}

async function verify(file: string): Promise<Part> {
  const { keys } = await call<{ keys: { public_key: string }[] }>("GET", "/v1/audit/keys");
  const known = await Promise.all(keys.map((key) => parseKey(nodePrimitives, key.public_key)));
  const verifying: number[] = [];
  const limits: number[] = [];
  let events = 0;
  // Two more than are counted: what is compiled in them was compiled long before the end of a log of millions.
  for (let round = -2; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    const exported = await open(file);
    const report = await verifyExport(nodePrimitives, wholeLines(exported), known);
    await exported.close();
    const { user, system } = process.cpuUsage(before);
    if (!report.valid) throw new Error(`the export does not verify: ${report.problems.join("; ")}`);
    events = report.events;
    const limit = await limitOf(file);
    if (round < 0) continue;
    verifying.push(events / ((user + system) / 1e6));
    limits.push(limit);
  }
  const perSecond = Math.round(median(verifying));
  return {
    measures: {
      export_bytes_per_event: Math.round((await stat(file)).size / events),
      verified_events_per_s_of_one_core: perSecond,
      limit_of_parsing_and_hashing_per_s: Math.round(median(limits)),
      verified_share_of_that_limit: Number((median(verifying) / median(limits)).toFixed(2)),
    },
    target: { target: "verify an export, events/s of one core", reached: perSecond, wanted: "≥ 100000", ok: perSecond >= 100_000 },
  };
}

async function rebuild(events: number): Promise<Part> {
  const rebuilding: number[] = [];
  let given = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    const report = await call<{ drifted: boolean; projections: { events: number }[] }>("POST", "/v1/audit/rebuild");
    rebuilding.push((performance.now() - began) / 1000);
    if (report.drifted) throw new Error("the projections had drifted");
    given = report.projections.reduce((sum, one) => sum + one.events, 0);
  }
  const seconds = median(rebuilding);
  const perSecond = Math.round(events / seconds);
  return {
    measures: {
      rebuild_s: seconds,
      rebuild_events_of_the_log_per_s: perSecond,
      rebuild_events_given_to_projections_per_s: Math.round(given / seconds),
    },
    target: { target: "rebuild with all projections, events/s", reached: perSecond, wanted: "≥ 25000", ok: perSecond >= 25_000 },
  };
}

const place = await mkdtemp(path.join(tmpdir(), "signalbox-bench-"));
try {
  const { thread } = await writeHistory();
  const file = path.join(place, "export.ndjson");
  const isAsked = (part: string) => flags.only === undefined || flags.only === part;
  const parts: Part[] = [];
  if (isAsked("checkpoint")) parts.push(await checkpoint(thread));
  await exportTo(file);
  const events = (await readFile(file, "utf8")).split("\n").filter((line) => line.startsWith('{"kind":"event"')).length;
  if (isAsked("verify")) parts.unshift(await verify(file));
  if (isAsked("rebuild")) parts.push(await rebuild(events));
  console.log(
    JSON.stringify({
      bench: "evidence",
      measures: Object.assign({ events }, ...parts.map(({ measures }) => measures)) as Measures,
      targets: parts.map(({ target }) => target),
    }),
  );
} finally {
  await server.stop();
  await rm(place, { recursive: true, force: true });
}
