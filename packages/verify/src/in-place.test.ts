/*
 * What is read from its bytes must be read as JSON.parse reads it, or be left to it: whoever forges a file would else
 * write it so that one of the two finds what was hashed, and the other what is shown.
 */
import { createHash, randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { ByteTable } from "./byte-table.ts";
import { CheckpointLine } from "./checkpoint-line.ts";
import { EventLine } from "./event-line.ts";
import type { ExportReport } from "./export-report.ts";
import { verifyExport } from "./export.ts";
import { LogBuilder, newSigner, type Signer } from "./fixtures.ts";
import { nodePrimitives } from "./node.ts";
import type { Primitives } from "./primitives.ts";

const RECORDED = '"recorded_at":"2030-01-01T12:00:00.000Z"';
/** Never reads anything in place. */
const byJson: Primitives = { ...nodePrimitives, isUtf8: () => false };

let signer: Signer;
let lines: Buffer[];

beforeAll(async () => {
  signer = await newSigner();
  const log = new LogBuilder();
  log.append("organization:ws_dev", "organization.created", { name: "Zürich \ufffd 🚦" }, "organization:ws_dev");
  for (let n = 1; n <= 2; n++) log.append("room:room_a", "message.created", { n, text: 'a "quoted"\tline\n\\ end' }, `message:${n}`);
  await log.checkpoint(signer);
  log.append("room:room_b", "message.created", { n: 3 }, "message:1");
  await log.checkpoint(signer);
  lines = log.end().map((line) => Buffer.from(`${line}\n`));
});

async function both(file: Uint8Array): Promise<ExportReport> {
  const report = await verifyExport(nodePrimitives, [file], [signer.key]);
  expect(report).toEqual(await verifyExport(byJson, [file], [signer.key]));
  return report;
}
const withLine = (n: number, line: Uint8Array): Buffer => Buffer.concat(lines.with(n, Buffer.from(line)));
function edited(n: number, from: string, to: string): Buffer {
  const text = lines[n]!.toString();
  expect(text).toContain(from);
  return withLine(n, Buffer.from(text.replace(from, to)));
}

test("every line that the log writes is read in place", () => {
  const [event, checkpoint] = [new EventLine(), new CheckpointLine()];
  for (const line of lines) {
    const text = line.toString();
    const read = text.startsWith('{"kind":"event"')
      ? event.read(line, 0)
      : text.startsWith('{"kind":"checkpoint"')
        ? checkpoint.read(line, 0)
        : null;
    expect(read).toBe(read === null ? null : line.length);
    if (text.startsWith('{"kind":"checkpoint"')) expect({ note: checkpoint.note, heads: checkpoint.heads }).toEqual(picked(text));
  }
  function picked(text: string): object {
    const { note, heads } = JSON.parse(text) as { note: string; heads: object[] };
    return { note, heads };
  }
});

test("an untouched log is valid either way", async () => {
  expect(await both(Buffer.concat(lines))).toMatchObject({ valid: true, events: 4, streams: 3, checkpoints: 2, covered_to: 4 });
});

// Lines 2 and 6 are an event with escapes and the second checkpoint, whose heads are known from the first.
test.each([2, 6])(
  "of line %i no flipped bit is taken for what it was",
  async (n) => {
    const line = lines[n]!;
    // When it was recorded is not hashed: the server's word.
    const recorded = n === 2 ? line.indexOf(RECORDED) : -RECORDED.length - 1;
    for (let at = 0; at < line.length - 1; at++)
      for (const bit of [0x01, 0x80]) {
        const flipped = Buffer.from(line);
        flipped[at]! ^= bit;
        const { valid } = await both(withLine(n, flipped));
        if (at < recorded || at > recorded + RECORDED.length) expect([at, bit, valid]).toEqual([at, bit, false]);
      }
  },
  60_000,
);

test.each([2, 6])("a file that ends anywhere in line %i is not valid", async (n) => {
  const before = Buffer.concat(lines.slice(0, n));
  for (let length = 0; length < lines[n]!.length; length += 7)
    expect((await both(Buffer.concat([before, lines[n]!.subarray(0, length)]))).valid).toBe(false);
});

describe("a name that is there twice counts as JSON.parse counts it", () => {
  test.each([
    ['"seq":1,', '"seq":9,"seq":1,', true],
    ['"seq":1,', '"seq":1,"seq":9,', false],
    ['"data":"', '"data":"{}","data":"', true],
    ['"salt":"', '"data":"{}","salt":"', false],
    ['"}\n', '","hash":"sha256:00"}\n', false],
    ['{"kind":"event"', '{"kind":"event","kind":"event"', true],
    ['{\\"correlation_id', '{\\"event_id\\":\\"another\\",\\"correlation_id', false],
  ])("%s → %s", async (from, to, valid) => {
    expect((await both(edited(2, from, to))).valid).toBe(valid);
  });
});

describe("what JSON allows, or does not, is decided as JSON.parse does", () => {
  test.each([
    ["a letter as \\u escape", "message.created", "message\\u002ecreated", true],
    ["a space", '"seq":1', '"seq": 1', true],
    ["another form of a number", '"seq":1', '"seq":1e0', true],
    ["a leading zero", '"seq":1', '"seq":01', false],
    ["a number beyond what counts exactly", '"seq":1', '"seq":9007199254740993', false],
    ["a raw tab", "quoted", "quo\tted", false],
    ["a digit of a hash in upper case", '"prev_hash":"sha256:0', '"prev_hash":"sha256:O', false],
    ["a salt that is longer", '"salt":"', '"salt":"AAAA', false],
    ["a carriage return before the line feed", '"}\n', '"}\r\n', true],
    ["something after the end of the line", '"}\n', '"} x\n', false],
    ["a byte order mark", '{"kind"', '\ufeff{"kind"', false],
  ])("%s", async (_, from, to, valid) => {
    expect((await both(edited(2, from, to))).valid).toBe(valid);
  });
});

test("bytes that are no UTF-8 do not stand for themselves, also where a hash over them was made", async () => {
  // What is shown of such a text is U+FFFD, which is not what was hashed.
  const line = JSON.parse(lines[1]!.toString()) as { header: string; data: string; salt: string };
  const [before = "", after = ""] = line.data.split("\ufffd");
  const raw = Buffer.concat([Buffer.from(before), Buffer.of(0xff), Buffer.from(after)]);
  const dataHash = createHash("sha256").update(Buffer.from(line.salt, "base64")).update(raw).digest("hex");
  const header = line.header.replace(/sha256:[0-9a-f]{64}/, `sha256:${dataHash}`);
  const entry = createHash("sha256").update(Buffer.of(0)).update(header).digest();
  const hash = createHash("sha256")
    .update(Buffer.of(1))
    .update(Buffer.alloc(32))
    .update(Buffer.of(0, 0, 0, 0, 0, 0, 0, 1))
    .update(entry)
    .digest("hex");
  const text = JSON.stringify({ ...line, header, hash: `sha256:${hash}` });
  const at = Buffer.from(text.slice(0, text.indexOf("\ufffd"))).length;
  const forged = Buffer.concat([Buffer.from(text).subarray(0, at), Buffer.of(0xff), Buffer.from(text).subarray(at + 3), Buffer.from("\n")]);
  expect((await both(withLine(1, forged))).first_mismatch).toMatchObject({ seq: 1, kind: "data_hash_mismatch" });
});

describe("what is not right is named with its place, however it is read", () => {
  test.each([
    ["event_id_repeated", { event_id: "00000000-0000-7000-8000-000000000000" }],
    ["subject_version_gap", { subject_version: 7 }],
    ["organization_mismatch", { organization_id: "ws_other" }],
    ["stream_mismatch", { stream: { id: "room_b", type: "room" } }],
  ])("%s", async (kind, other) => {
    const log = new LogBuilder();
    for (let n = 1; n <= 4; n++) log.append("room:room_a", "message.created", { n }, "message:1", n === 3 ? other : {});
    await log.checkpoint(signer);
    const report = await both(Buffer.from(log.end().join("\n")));
    expect(report).toMatchObject({ valid: false, first_mismatch: { kind, stream: "room:room_a", seq: 3 } });
  });

  test("a position that does not follow", async () => {
    expect((await both(edited(3, '"position":3', '"position":2'))).problems).toEqual(["room:room_a 2: position 2 does not follow 2"]);
  });

  test("a head that was changed in both places where it is known from the checkpoint before", async () => {
    const text = lines[6]!.toString();
    const head = /"seq":2,"hash":"sha256:[0-9a-f]{64}"/.exec(text)![0];
    expect((await both(withLine(6, Buffer.from(text.replace(head, head.replace("2", "1")))))).problems).toEqual([
      "checkpoint 2 (position 4): the heads beside it are not the ones it was signed over",
    ]);
  });
});

test("a table of bytes numbers texts as a map of strings does", () => {
  const [table, map] = [new ByteTable(), new Map<string, number>()];
  for (let i = 0; i < 20_000; i++) {
    const text = randomBytes(i % 3 === 0 ? 1 : 2 + (i % 40)).toString("latin1");
    const before = map.size;
    const number = map.get(text) ?? before;
    map.set(text, number);
    const bytes = Buffer.from(`<${text}>`, "latin1");
    expect(table.numberOf(bytes, 1, bytes.length - 1)).toBe(number);
  }
  expect(table.size).toBe(map.size);
  expect(table.numberOf(Buffer.alloc(0), 0, 0)).toBe(map.size);
});

test("a checkpoint is read right when the file's next piece is read into the memory of the one before", () => {
  const of = (seq: number): Buffer =>
    Buffer.from(
      `${JSON.stringify({ kind: "checkpoint", note: "n", heads: [1, 2, 3].map((n) => ({ stream: `room:${n}`, seq: n === 2 ? seq : 1, hash: "h" })) })}\n`,
    );
  const memory = Buffer.alloc(of(1).length);
  const line = new CheckpointLine();
  for (const seq of [1, 2, 3]) {
    of(seq).copy(memory);
    expect(line.read(memory, 0)).toBe(memory.length);
    expect(line.heads.map((head) => head.seq)).toEqual([1, seq, 1]);
  }
});
