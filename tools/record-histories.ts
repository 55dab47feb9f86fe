/*
 * Records what this release writes: apps/server/histories/<version>. Once a release, after `tools/contract.ts --release`.
 *
 *   node tools/record-histories.ts                 runs the suites that drive the real server through its domains, keeps a
 *                                                  dump of each one's database, chooses the fewest that have every event
 *                                                  type, and records what today's code makes of them
 *   node tools/record-histories.ts --from <dir>    the same from dumps that are there already
 *   node tools/record-histories.ts --expected      only records anew what today's code makes of all recordings: for a change
 *                                                  of what an old history means, which wants a reviewer
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { EVENT_SCHEMAS } from "@signalbox/contract/events";
import { type DatabaseDump, ownEvents } from "../apps/server/src/histories.fixture.ts";

import { ROOT } from "./step.ts";

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
const HOME = join(ROOT, "apps/server/histories", version);
const SUITES =
  "identity rooms approvals gate actions runs sessions shares evidence attention models egress ledger previews terminals audit";
/** A history that takes long to fold is one that nobody wants to run. */
const MAX_BYTES = 3 * 1024 * 1024;

const [mode, from] = process.argv.slice(2);
if (mode !== "--expected") record(mode === "--from" && from !== undefined ? from : dumps());
vitest(["apps/server/src/histories.pg.test.ts"], { SIGNALBOX_RECORD_EXPECTED: "1" });

function vitest(files: readonly string[], environment: Record<string, string>): void {
  const { status } = spawnSync("vitest", ["run", ...files], { cwd: ROOT, stdio: "inherit", env: { ...process.env, ...environment } });
  if (status !== 0) throw new Error("the suites must pass: what they record is what this release does");
}

function dumps(): string {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-histories-"));
  vitest(
    SUITES.split(" ").map((name) => `apps/server/src/modules/${name}`),
    { SIGNALBOX_DUMP_DATABASES: directory },
  );
  return directory;
}

/** The smallest file for each type that is nowhere else comes first; whatever adds nothing is left out. */
function record(directory: string): void {
  const files = readdirSync(directory)
    .map((name) => ({ name: basename(name, ".json"), text: readFileSync(join(directory, name), "utf8") }))
    .filter(({ text }) => text.length <= MAX_BYTES)
    .map((file) => ({ ...file, types: typesOf(file.text) }))
    .filter(({ name, text }) => isReal(name, text))
    .toSorted((a, b) => a.text.length - b.text.length);
  const isNeeded = (of: (typeof files)[number], others: typeof files): boolean =>
    [...of.types].some((type) => !others.some((other) => other !== of && other.types.has(type)));
  let chosen = files;
  for (const file of files.toReversed()) if (!isNeeded(file, chosen)) chosen = chosen.filter((other) => other !== file);
  rmSync(HOME, { recursive: true, force: true });
  mkdirSync(HOME, { recursive: true });
  for (const { name, text } of chosen) writeFileSync(join(HOME, `${name}.json.gz`), gzipSync(text, { level: 9 }));
  const found = new Set(chosen.flatMap(({ types }) => [...types]));
  process.stderr.write(`${chosen.length} histories with ${found.size} of ${EVENT_SCHEMAS.size} event types\n`);
}

/** Suites of a part alone may feed it events that the whole product would not write. */
function isReal(name: string, text: string): boolean {
  const wrong = ownEvents(JSON.parse(text) as DatabaseDump).find(
    ({ type, data }) => data !== null && EVENT_SCHEMAS.get(type)?.safeParse(JSON.parse(data)).success !== true,
  );
  if (wrong !== undefined) process.stderr.write(`${name} is left out: its ${wrong.type} is not of the contract's shape\n`);
  return wrong === undefined;
}

function typesOf(text: string): Set<string> {
  return new Set(ownEvents(JSON.parse(text) as DatabaseDump).map(({ type }) => type));
}
