import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { follow, GENESIS, type ChainedEvent } from "./chain.ts";
import { growingTree, leafOf, treeRoot, type StreamHead } from "./merkle.ts";
import { linesOf, nodePrimitives, wholeLines } from "./node.ts";
import { equal, fromBase64, hashBytes, hashText, toBase64 } from "./primitives.ts";
import { webPrimitives } from "./web.ts";

async function linesIn(text: string, size: number): Promise<string[]> {
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const lines: string[] = [];
  for await (const line of linesOf(Readable.from(pieces, { objectMode: true }))) lines.push(line);
  return lines;
}

test.each([1, 2, 3, 7, 64, 1000])("lines end at their line feed only, whatever pieces of %i bytes cut through", async (size) => {
  const lines = ["one", "", 'what JSON may hold: "\u2028\u2029\u0085"', "Zürich, 北京, 🚦", "x".repeat(300)];
  expect(await linesIn(`${lines.join("\n")}\n`, size)).toEqual(lines);
  expect(await linesIn(lines.join("\r\n"), size)).toEqual(lines);
});

test.each(["", "\n", "one", "one\ntwo\n", `${"x".repeat(700_000)}\n`, `a\n${"x".repeat(300_000)}\n${"y\n".repeat(200_000)}z`])(
  "a file is read in pieces of whole lines, however long they are",
  async (text) => {
    const path = join(await mkdtemp(join(tmpdir(), "verify-")), "lines");
    await writeFile(path, text);
    const file = await open(path);
    let read = "";
    for await (const piece of wholeLines(file)) {
      expect(read === "" || read.endsWith("\n")).toBe(true);
      read += Buffer.from(piece).toString();
    }
    await file.close();
    await rm(dirname(path), { recursive: true });
    expect(read === text).toBe(true);
  },
);

const sha256 = (...parts: (Buffer | string)[]): Buffer => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

/** The first of its stream, made with node:crypto alone. */
function event(data: string, seq: number, prev: Buffer): ChainedEvent {
  const salt = randomBytes(32);
  const stream = { type: "room", id: "room_a" };
  const header = JSON.stringify({ stream, data_hash: `sha256:${sha256(salt, data).toString("hex")}` });
  const place = Buffer.alloc(8);
  place.writeBigUInt64BE(BigInt(seq));
  return {
    stream,
    seq,
    header,
    data,
    salt: salt.toString("base64"),
    prev_hash: hashText(prev),
    hash: hashText(sha256(Buffer.of(1), prev, place, sha256(Buffer.of(0), header))),
  };
}

test.each([
  ["nothing", ""],
  ["letters of several bytes", "Zürich, 北京, 🚦 \u0000"],
  ["a text beyond every buffer", "北".repeat(100_000)],
])("at once and by promise, %s hashes to the same", async (_, data) => {
  const first = event(data, 1, Buffer.alloc(32));
  const [atOnce, later] = [follow(nodePrimitives, GENESIS, first), await follow(webPrimitives, GENESIS, first)];
  expect(atOnce).not.toBeInstanceOf(Promise);
  expect(await atOnce).toEqual(later);
  expect(later).toMatchObject({ ok: true, head: { seq: 1 } });
  const forged = { ...first, data: `${data}.` };
  expect(await follow(nodePrimitives, GENESIS, forged)).toEqual(await follow(webPrimitives, GENESIS, forged));
  expect(await follow(nodePrimitives, GENESIS, forged)).toMatchObject({ ok: false, mismatch: { kind: "data_hash_mismatch" } });
});

test("a stream goes on beyond 32 bits of sequence", async () => {
  const prev = randomBytes(32);
  for (const seq of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])
    expect(await follow(nodePrimitives, { seq: seq - 1, hash: prev }, event("{}", seq, prev))).toMatchObject({ ok: true, head: { seq } });
});

test("a tree of any size has one root, at once and by promise", async () => {
  for (let size = 0; size < 35; size++) {
    const leaves = Array.from({ length: size }, (_, i) => new Uint8Array(randomBytes(i)));
    expect(hashText(await treeRoot(nodePrimitives, leaves))).toBe(hashText(await treeRoot(webPrimitives, leaves)));
  }
});

test("base64 is read as Buffer writes it, and nothing else is", () => {
  for (let length = 0; length < 70; length++) {
    const bytes = randomBytes(length);
    expect(Buffer.from(fromBase64(bytes.toString("base64"))!)).toEqual(bytes);
    expect(toBase64(bytes)).toBe(bytes.toString("base64"));
  }
  for (const text of ["A", "AA", "AAA", "A===", "====", "AA=A", "A=AA", "AA-_", "AAé=", "AAA\u2028", " AAA", "AAAA\n", "AAB=", "AB=="])
    expect(fromBase64(text)).toBeNull();
});

test("a hash is read when it is 64 lowercase digits after its name, and never otherwise", () => {
  const hash = randomBytes(32);
  expect(equal(hashBytes(hashText(hash))!, hash)).toBe(true);
  const text = hashText(hash);
  for (const wrong of [
    text.slice(0, -1),
    `${text}0`,
    text.toUpperCase(),
    `sha512:${text.slice(7)}`,
    `${text.slice(0, -1)}g`,
    `${text.slice(0, -1)}é`,
    null,
    7,
  ])
    expect(hashBytes(wrong)).toBeNull();
});

test("a tree that grows, moves and shrinks has the root of one that is made anew", async () => {
  const tree = growingTree(nodePrimitives);
  const head = (n: number, seq: number): StreamHead => ({
    stream: `room:room_${String(n).padStart(3, "0")}`,
    seq,
    hash: hashText(sha256(`${n} ${seq}`)),
  });
  let heads: StreamHead[] = [];
  for (let round = 0; round < 120; round++) {
    const at = (round * 37) % (heads.length + 1);
    if (round % 5 === 4) heads = heads.filter((_, i) => i !== at);
    else if (round % 3 === 2 && heads[at] !== undefined) heads = heads.with(at, head(Number(heads[at].stream.slice(-3)), round + 2));
    else heads = [...heads, head((round * 61) % 1000, 1)];
    const inOrder = heads.toSorted((a, b) => (a.stream < b.stream ? -1 : 1));
    expect(hashText(await tree.rootOf(heads))).toBe(hashText(await treeRoot(webPrimitives, inOrder.map(leafOf))));
  }
});
