import { beforeAll, describe, expect, test } from "vitest";
import { verifyExport } from "./export.ts";
import { LogBuilder, newSigner, type Signer } from "./fixtures.ts";
import { nodePrimitives } from "./node.ts";
import { formatKey, openNote, parseKey } from "./note.ts";
import { webPrimitives } from "./web.ts";

let signer: Signer;
let lines: string[];

beforeAll(async () => {
  signer = await newSigner();
  const log = new LogBuilder();
  for (let i = 1; i <= 5; i++) {
    log.append("room:room_a", "message.created", { n: i }, `message:a${i}`);
    log.append("room:room_b", "message.created", { n: i }, `message:b${i}`);
  }
  await log.checkpoint(signer);
  log.append("room:room_a", "message.created", { n: 6 }, "message:a6");
  await log.checkpoint(signer);
  lines = log.end();
});

/** Line by line and as bytes, of which the same must be said. */
async function check(of: string[], keys = [signer.key]) {
  const report = await verifyExport(nodePrimitives, of, keys);
  expect(await verifyExport(nodePrimitives, [Buffer.from(of.map((line) => `${line}\n`).join(""))], keys)).toEqual(report);
  return report;
}
/** Line of the n-th event (from 1). */
const eventLine = (n: number): number => lines.findIndex((line) => line.includes(`"position":${n},`));
function edit(n: number, change: (event: Record<string, unknown>) => void): string[] {
  const copy = [...lines];
  const event = JSON.parse(copy[eventLine(n)]!) as Record<string, unknown>;
  change(event);
  copy[eventLine(n)] = JSON.stringify(event);
  return copy;
}

describe.each([
  ["Node", nodePrimitives],
  ["the browser's Web Crypto", webPrimitives],
])("with %s", (_, primitives) => {
  test("an untouched export is valid, and says how far checkpoints vouch for it", async () => {
    expect(await verifyExport(primitives, lines, [signer.key])).toMatchObject({
      valid: true,
      events: 11,
      streams: 2,
      checkpoints: 2,
      covered_to: 11,
      problems: [],
    });
  });
});

test("one flipped byte of data is named with its place", async () => {
  const tampered = edit(3, (event) => (event["data"] = String(event["data"]).replace("2", "3")));
  expect(await check(tampered)).toMatchObject({
    valid: false,
    first_mismatch: { stream: "room:room_a", seq: 2, event_type: "message.created", kind: "data_hash_mismatch" },
  });
});

test("an edited header is named with its place", async () => {
  const tampered = edit(4, (event) => (event["header"] = String(event["header"]).replace("message.created", "message.deleted")));
  expect(await check(tampered)).toMatchObject({ valid: false, first_mismatch: { stream: "room:room_b", seq: 2, kind: "hash_mismatch" } });
});

test("an edited event whose own hash was made anew breaks at the checkpoint that vouched for it", async () => {
  // The attacker rewrites the whole stream from there on; only the signed heads still know.
  const forged = new LogBuilder();
  for (let i = 1; i <= 5; i++) {
    forged.append("room:room_a", "message.created", { n: i === 3 ? 99 : i }, `message:a${i}`);
    forged.append("room:room_b", "message.created", { n: i }, `message:b${i}`);
  }
  const checkpoint = lines.find((line) => line.includes('"kind":"checkpoint"'))!;
  const report = await check([...forged.lines, checkpoint, JSON.stringify({ kind: "end", events: 10, checkpoints: 1 })]);
  expect(report.valid).toBe(false);
  expect(report.problems.join("\n")).toMatch(/room:room_a 5: checkpoint 1 was signed over/);
});

test("a dropped event is named", async () => {
  const dropped = lines.toSpliced(eventLine(5), 1);
  expect(await check(dropped)).toMatchObject({
    valid: false,
    first_mismatch: { stream: "room:room_a", seq: 4, kind: "seq_gap", expected: "3" },
  });
});

test("two swapped events of a stream are named", async () => {
  const swapped = [...lines];
  [swapped[eventLine(3)], swapped[eventLine(5)]] = [swapped[eventLine(5)]!, swapped[eventLine(3)]!];
  expect(await check(swapped)).toMatchObject({ valid: false, first_mismatch: { stream: "room:room_a", seq: 3, kind: "seq_gap" } });
});

test("a removed tail is noticed by the checkpoint that stood on it", async () => {
  const cut = lines.toSpliced(eventLine(11), 1).map((line) => line.replace('"events":11', '"events":10'));
  const report = await check(cut);
  expect(report.valid).toBe(false);
  expect(report.problems.join("\n")).toContain(
    "room:room_a ends at 5, but checkpoint 2 was signed when it had 6 events: its tail was removed",
  );
});

test("a whole stream that was removed is noticed", async () => {
  const without = lines
    .filter((line) => !line.includes('"stream":{"type":"room","id":"room_b"}'))
    .map((line) => line.replace('"events":11', '"events":6'));
  expect((await check(without)).problems.join("\n")).toContain("room:room_b ends at 0");
});

test("a file that stops early is not taken for a whole one", async () => {
  expect((await check(lines.slice(0, -1))).problems.join("\n")).toContain("cut off");
  expect((await check([])).problems).toEqual(["the file is empty"]);
});

test("a checkpoint by another key, or with an edited text, is refused", async () => {
  const stranger = await newSigner();
  expect((await check(lines, [stranger.key])).problems[0]).toContain("not among the given public keys");
  const forged = lines.map((line) => (line.includes('"kind":"checkpoint"') ? line.replace("position 10", "position 99") : line));
  expect((await check(forged)).problems.join("\n")).toContain("signature that does not fit");
});

test("heads that were changed beside a checkpoint do not pass for what was signed", async () => {
  const forged = lines.map((line) => (line.includes('"kind":"checkpoint"') ? line.replace('"seq":5,', '"seq":4,') : line));
  expect((await check(forged)).problems.join("\n")).toContain("not the ones it was signed over");
});

test("an erased payload is fine only when an event.redacted names it", async () => {
  const log = new LogBuilder();
  const id = log.append("room:room_a", "message.created", { secret: 1 }, "message:1");
  const erase = (line: string) =>
    line.includes(id) && line.includes('"position":1,')
      ? JSON.stringify({ ...(JSON.parse(line) as object), data: null, salt: null })
      : line;
  await log.checkpoint(signer);
  expect(await check(log.end().map(erase))).toMatchObject({ valid: false, first_mismatch: { seq: 1, kind: "erased_without_redaction" } });
  log.append("room:room_a", "event.redacted", { target_event_id: id, reason: "asked", level: "full" }, `event:${id}`);
  expect(await check(log.end().map(erase))).toMatchObject({ valid: true, erased: 1 });
});

test("garbage lines are named by number and do not stop the check", async () => {
  const report = await check(lines.toSpliced(2, 0, "not json"));
  expect(report.problems).toEqual(["line 3 is not a line of a Signalbox export"]);
});

test("a key survives writing and reading; one whose id was changed does not", async () => {
  const text = formatKey(signer.key);
  expect(await parseKey(nodePrimitives, text)).toEqual(signer.key);
  await expect(parseKey(nodePrimitives, text.replace(signer.key.id, "00000000"))).rejects.toThrow("does not belong");
  expect(await openNote(nodePrimitives, "hello", [signer.key])).toEqual({ ok: false, reason: "malformed", keyId: null });
});

test("a log that was rewritten from the start does not pass by leaving the checkpoints out", async () => {
  const forged = new LogBuilder();
  forged.append("room:room_a", "message.created", { n: "never said" }, "message:a1");
  const report = await check(forged.end());
  expect(report).toMatchObject({ valid: false, covered_to: null });
  expect(report.problems).toEqual(["the export has no checkpoint: nothing shows that this is what was recorded"]);
});

test("an export of one stream says so, and a whole log cannot be passed off as one to leave a stream out", async () => {
  const partial = lines
    .filter((line) => !line.includes('"stream":{"type":"room","id":"room_b"}'))
    .map((line) => line.replace('"complete":true', '"complete":false,"stream":"room:room_a"').replace('"events":11', '"events":6'));
  expect(await check(partial)).toMatchObject({ valid: true, only_stream: "room:room_a", streams: 1 });
  const flipped = lines.map((line) => line.replace('"complete":true', '"complete":false,"stream":"room:room_a"'));
  expect((await check(flipped)).problems[0]).toBe("room:room_b 1: the export says it is of room:room_a only");
  expect(await check(lines)).toMatchObject({ only_stream: null });
  const twice = lines.toSpliced(1, 0, lines[0]!.replace('"complete":true', '"complete":false'));
  expect((await check(twice)).problems).toEqual(["line 2 is a second header"]);
});

test.each([
  ["a header that is null", (event: Record<string, unknown>) => (event["header"] = "null")],
  ["a salt that is missing", (event: Record<string, unknown>) => delete event["salt"]],
  ["data that is missing", (event: Record<string, unknown>) => delete event["data"]],
  ["a seq that is no number of events", (event: Record<string, unknown>) => (event["seq"] = 1.5)],
])("%s is a finding, not a crash", async (_, change) => {
  expect((await check(edit(3, (event) => void change(event)))).valid).toBe(false);
});

test("a checkpoint beside heads that are no heads is a finding, not a crash", async () => {
  const broken = lines.map((line) =>
    line.includes('"kind":"checkpoint"') ? JSON.stringify({ ...(JSON.parse(line) as object), heads: [null] }) : line,
  );
  expect((await check(broken)).problems[0]).toMatch(/is not a line of a Signalbox export/);
});

test("a file of nothing but garbage is told in a few lines", async () => {
  const report = await check(Array.from({ length: 1000 }, () => "garbage"));
  expect(report.problems).toHaveLength(21);
  expect(report.problems.at(-1)).toBe("and 981 more");
});
