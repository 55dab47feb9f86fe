/* A log of many streams and checkpoints, exported and read back from its file piece by piece, as `signalbox log verify` does. */
import { systemClock } from "@signalbox/kernel/clock";
import { verifyExport } from "@signalbox/verify/export";
import type { ExportReport } from "@signalbox/verify/export-report";
import { nodePrimitives, wholeLines } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { auditStage, ORG } from "./audit.fixture.ts";
import { checkpoint } from "./checkpoint.ts";

/** So many that a checkpoint's line is more than half of a piece: then each lies just where the one before lay. */
const STREAMS = 1300;
const CHECKPOINTS = 5;
const TEXT = "The build is green again: the flaky clock in the lease test was replaced.";

/** Of `wholeLines`. */
const PIECE = 256 * 1024;

const stage = auditStage();
let lines: string[];

beforeAll(async () => {
  const pool = stage.database.pool("sb_log");
  const room = (n: number) => `room_many${n}`;
  await Promise.all(Array.from({ length: STREAMS }, (_, n) => stage.write(room(n), TEXT)));
  for (let n = 1; n <= CHECKPOINTS; n++) {
    // Streams go on and, once, one is new and stands between others: behind it the heads lie elsewhere in their line.
    const moved = [room(n * 200), room(7), ...(n === 2 ? ["room_many2new"] : [])];
    await Promise.all(moved.map((name) => stage.write(name, TEXT)));
    await checkpoint(pool, stage.deps.keys, ORG, systemClock.now());
  }
  lines = await stage.exported();
});

/** As bytes from the file, and line by line, of which the same must be said. How many pieces it had beside it. */
async function check(of: readonly string[]): Promise<{ report: ExportReport; pieces: number }> {
  const file = join(stage.directory, "export.ndjson");
  await writeFile(file, of.map((line) => `${line}\n`).join(""));
  const { key } = await stage.deps.keys.first(ORG);
  const keys = [await parseKey(nodePrimitives, key.text)];
  const handle = await open(file);
  let pieces = 0;
  async function* counted() {
    for await (const piece of wholeLines(handle)) {
      pieces++;
      yield piece;
    }
  }
  const report = await verifyExport(nodePrimitives, counted(), keys);
  await handle.close();
  expect(report).toEqual(await verifyExport(nodePrimitives, of, keys));
  return { report, pieces };
}

/** The nth line of that kind, from 0. */
const place = (kind: string, n: number): number => lines.flatMap((line, i) => (line.startsWith(`{"kind":"${kind}"`) ? [i] : [])).at(n)!;
function edited(at: number, change: (line: string) => string): string[] {
  const line = change(lines[at]!);
  expect(line).not.toBe(lines[at]);
  return lines.with(at, line);
}

test("the file is valid, although checkpoints share pages of heads and each piece is read where the one before lay", async () => {
  const { report, pieces } = await check(lines);
  expect(report).toMatchObject({ valid: true, checkpoints: CHECKPOINTS, streams: STREAMS + 3, uncovered: 0, problems: [] });
  expect(pieces).toBeGreaterThan(CHECKPOINTS + 3);
  const sizes = lines.filter((line) => line.startsWith('{"kind":"checkpoint"')).map((line) => line.length);
  expect(Math.min(...sizes)).toBeGreaterThan(PIECE / 2);
  expect(Math.max(...sizes)).toBeLessThan(PIECE);
  const [pages] = await stage.database.rows<{ named: number; kept: number; fewest: number }>(
    `select sum(cardinality(pages))::int as named, (select count(*)::int from audit_head_pages) as kept, min(cardinality(pages))::int as fewest from audit_checkpoints`,
  );
  expect(pages!.fewest).toBeGreaterThan(2);
  expect(pages!.kept).toBeLessThan(pages!.named / 2);
});

test.each(Array.from({ length: CHECKPOINTS }, (_, n) => n))("a head that was changed in checkpoint %i of the file is found", async (n) => {
  // One that all of them have, so that it stands in a page that they share.
  const forged = edited(place("checkpoint", n), (line) =>
    line.replace('"stream":"room:room_many300","seq":1,', '"stream":"room:room_many300","seq":2,'),
  );
  const { report } = await check(forged);
  expect(report.valid).toBe(false);
  expect(report.problems.join("\n")).toContain(`checkpoint ${n + 1} (position`);
});

test.each([1, Math.floor(STREAMS / 2), -1])("an event that was changed or left out in the file is found: %i", async (n) => {
  const at = place("event", n);
  const { stream, seq } = JSON.parse(lines[at]!) as { stream: { type: string; id: string }; seq: number };
  const name = `${stream.type}:${stream.id}`;
  const changed = (await check(edited(at, (line) => line.replace("say", "sai").replace("green", "groen")))).report;
  expect(changed.first_mismatch).toMatchObject({ stream: name, seq, kind: "data_hash_mismatch" });
  const dropped = (await check(lines.toSpliced(at, 1))).report;
  expect(dropped.problems.join("\n")).toContain(`${name} `);
});
