import { sign } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { verifyExport } from "./export.ts";
import { LogBuilder, newSigner, ORGANIZATION, type Signer } from "./fixtures.ts";
import { rotationNote, rotationText } from "./keys.ts";
import { nodePrimitives } from "./node.ts";
import { checkpointText, formatKey, openNote, signedNote } from "./note.ts";
import { webPrimitives } from "./web.ts";

let a: Signer;
let b: Signer;
let c: Signer;
const ORG = `organization:${ORGANIZATION}`;
const by = (signer: Signer, text: string): Uint8Array => sign(null, Buffer.from(text), signer.privateKey);

function statement(from: Signer, to: Signer, signedBy = from, alsoBy = to): string {
  const text = rotationText({ origin: from.key.name, next: to.key, position: 3, time: "2030-01-01T12:00:00.000Z" });
  return rotationNote(text, { key: from.key, signature: by(signedBy, text) }, { key: to.key, signature: by(alsoBy, text) });
}
function rotate(log: LogBuilder, from: Signer, to: Signer, note: string | null = statement(from, to)): void {
  log.append(ORG, "checkpoint.key_rotated", { from_key_id: from.key.id, to_key_id: to.key.id, statement: note }, "checkpoint_key:1");
}

beforeAll(async () => {
  [a, b, c] = [await newSigner(), await newSigner(), await newSigner()];
});

async function rotatedTwice(): Promise<LogBuilder> {
  const log = new LogBuilder();
  log.append("room:room_a", "message.created", { n: 1 }, "message:1");
  await log.checkpoint(a);
  rotate(log, a, b);
  await log.checkpoint(b);
  rotate(log, b, c);
  log.append("room:room_a", "message.created", { n: 2 }, "message:2");
  await log.checkpoint(c);
  return log;
}

describe.each([
  ["Node", nodePrimitives],
  ["the browser's Web Crypto", webPrimitives],
])("with %s", (_, primitives) => {
  test("the first key alone verifies a log whose key was rotated twice, and the report says how", async () => {
    const report = await verifyExport(primitives, (await rotatedTwice()).end(), [a.key]);
    expect(report).toMatchObject({ valid: true, covered_to: 4, signed_by: [a.key.id, b.key.id, c.key.id] });
    expect(report.rotations.map(({ from, to }) => [from, to])).toEqual([
      [a.key.id, b.key.id],
      [b.key.id, c.key.id],
    ]);
  });
});

test("a key put in the place of another is called replaced, not rotated", async () => {
  const log = new LogBuilder();
  log.append("room:room_a", "message.created", { n: 1 });
  await log.checkpoint(b);
  const lines = log.end();
  lines[0] = JSON.stringify({ ...(JSON.parse(lines[0]!) as object), keys: [formatKey(b.key)] });
  const report = await verifyExport(nodePrimitives, lines, [a.key]);
  expect(report.valid).toBe(false);
  expect(report.problems.join()).toContain(
    `checkpoint 1 is signed by key ${b.key.id}, which is not among the given public keys: the export names it, but no rotation leads to it from a key that is believed; it was replaced, not rotated`,
  );
});

test.each([
  ["signed by neither key that it should be", () => statement(a, b, c), "has a signature of key"],
  ["not signed by the new key itself", () => statement(a, b, a, c), "is not signed by that key itself"],
  ["that is no rotation", () => "hello", "it is not a rotation of a key"],
])("a forged rotation, %s, is refused with its place", async (_, forged, says) => {
  const log = new LogBuilder();
  rotate(log, a, b, forged());
  await log.checkpoint(b);
  const report = await verifyExport(nodePrimitives, log.end(), [a.key]);
  expect(report.valid).toBe(false);
  expect(report.problems.join("\n")).toContain(`${ORG} 1: `);
  expect(report.problems.join("\n")).toContain(says);
});

test("a rotation that only a stranger signed leads nowhere", async () => {
  const log = new LogBuilder();
  rotate(log, c, b);
  await log.checkpoint(b);
  const report = await verifyExport(nodePrimitives, log.end(), [a.key]);
  expect(report.problems.join()).toContain("a rotation names it that no key which is believed has signed");
});

test("a key that was handed over signs nothing that comes after", async () => {
  const log = await rotatedTwice();
  await log.checkpoint(a);
  const report = await verifyExport(nodePrimitives, log.end(), [a.key]);
  expect(report.valid).toBe(false);
  expect(report.problems.join()).toContain(`is signed by key ${a.key.id}, which was handed over at ${ORG} 1, before it`);
});

test("a key that was handed over twice is reported", async () => {
  const log = new LogBuilder();
  rotate(log, a, b);
  rotate(log, a, c);
  await log.checkpoint(b);
  const report = await verifyExport(nodePrimitives, log.end(), [a.key]);
  expect(report.problems.join()).toContain(`${ORG} 2: key ${a.key.id} was handed over twice, to ${b.key.id} and to ${c.key.id}`);
});

test("a rotation can pass for no checkpoint, and no checkpoint for a rotation", async () => {
  expect(await openNote(nodePrimitives, statement(a, b), [a.key])).toMatchObject({ ok: false, reason: "malformed" });
});

test("a witness's cosignature beside ours, of another length, is ignored as the specification asks", async () => {
  const text = checkpointText({
    origin: a.key.name,
    streams: 1,
    rootHash: new Uint8Array(32),
    position: 1,
    time: "2030-01-01T12:00:00.000Z",
  });
  const note = signedNote(text, a.key, by(a, text));
  const cosigned = `${note}— witness.example.com/w1 ${Buffer.alloc(76, 7).toString("base64")}\n`;
  expect(await openNote(nodePrimitives, cosigned, [a.key])).toMatchObject({ ok: true, keyId: a.key.id });
  expect(await openNote(nodePrimitives, note.replace("\n1\n", "\n01\n"), [a.key])).toMatchObject({ ok: false, reason: "malformed" });
});
