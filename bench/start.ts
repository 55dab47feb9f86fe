/*
 * From `npm start` to ready, as a person waits for it, and what the server holds at rest. The first
 * start makes the database and is not counted. The last line of stdout is one JSON object.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const ROUNDS = Number(flags.rounds);
const ROOT = path.join(import.meta.dirname, "..");
const REST_MS = 5_000;
const place = await mkdtemp(path.join(tmpdir(), "signalbox-bench-"));
await chmod(place, 0o711);

async function start(): Promise<{ child: ChildProcess; ms: number }> {
  const began = performance.now();
  const child = spawn("npm", ["start", "--silent", "--", "--json", "--port", "0", "--no-open", "--data-dir", path.join(place, "data")], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('{"event":"ready"')) return { child, ms: performance.now() - began };
  throw new Error("the server ended before it was ready");
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const pid = Number(JSON.parse(await readFile(path.join(place, "data", "server.json"), "utf8")).pid);
  process.kill(Number.isInteger(pid) && pid > 1 ? pid : child.pid!, "SIGTERM");
  await ended;
}

/** Resident memory of the server process itself, MB. */
async function residentMb(): Promise<number> {
  const { pid } = JSON.parse(await readFile(path.join(place, "data", "server.json"), "utf8")) as { pid: number };
  return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

const median = (values: number[]): number => Number(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(1));
const first = await start();
await stop(first.child);
const [times, memory]: [number[], number[]] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  const { child, ms } = await start();
  times.push(ms);
  await sleep(REST_MS);
  memory.push(await residentMb());
  await stop(child);
}
await rm(place, { recursive: true, force: true });
const [ready, resident] = [median(times), median(memory)];
console.log(
  JSON.stringify({
    bench: "start",
    measures: { first_start_ms: Math.round(first.ms), second_start_ms: ready, resident_mb: resident },
    targets: [
      { target: "second npm start to ready, ms", reached: ready, wanted: "≤ 3000", ok: ready <= 3000 },
      { target: "server at rest, MB resident", reached: resident, wanted: "≤ 200", ok: resident <= 200 },
    ],
  }),
);
process.exit(0);
