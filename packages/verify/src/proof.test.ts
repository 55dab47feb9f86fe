import { sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { keptCheckpoints, verifyExportAgainst } from "./consistency.ts";
import { LogBuilder, newSigner, ORGANIZATION, type Signer } from "./fixtures.ts";
import { inclusionOf, rootFrom } from "./inclusion.ts";
import { rootOf, type StreamHead } from "./merkle.ts";
import { nodePrimitives } from "./node.ts";
import { checkpointText, signedNote } from "./note.ts";
import { concat, hashText, toBase64, utf8, type Primitives } from "./primitives.ts";
import { verifyProof, type EventProof } from "./proof.ts";
import { webPrimitives } from "./web.ts";

const headsOf = (n: number): StreamHead[] =>
  Array.from({ length: n }, (_, i) => ({ stream: `room:room_${i}`, seq: i + 1, hash: hashText(new Uint8Array(32).fill(i)) }));

test("every leaf of every tree up to 20 leads to its root, and to no other", async () => {
  for (let size = 1; size <= 20; size++) {
    const heads = headsOf(size);
    const root = hashText(await rootOf(nodePrimitives, heads));
    for (const head of heads) {
      const inclusion = (await inclusionOf(nodePrimitives, heads, head.stream))!;
      expect(hashText((await rootFrom(nodePrimitives, head, inclusion))!)).toBe(root);
      const longer = await rootFrom(nodePrimitives, head, { ...inclusion, path: [...inclusion.path, new Uint8Array(32)] });
      expect(longer).toBeNull();
      const other = await rootFrom(nodePrimitives, { ...head, seq: head.seq + 1 }, inclusion);
      expect(hashText(other!)).not.toBe(root);
    }
  }
  expect(await inclusionOf(nodePrimitives, headsOf(3), "room:room_9")).toBeNull();
});

interface Logged {
  readonly lines: string[];
  readonly kept: { note: string; heads: StreamHead[] };
  readonly signer: Signer;
}
async function logged(): Promise<Logged> {
  const signer = await newSigner();
  const log = new LogBuilder();
  for (let i = 1; i <= 5; i++)
    for (const room of ["a", "b", "c"]) log.append(`room:room_${room}`, "message.created", { n: i }, `message:${room}${i}`);
  await log.checkpoint(signer);
  const kept = JSON.parse(log.lines.at(-1)!) as { note: string; heads: StreamHead[] };
  log.append("room:room_a", "message.created", { n: 6 }, "message:a6");
  await log.checkpoint(signer);
  return { lines: log.end(), kept, signer };
}
type Line = { kind: string; stream: { type: string; id: string }; seq: number; header: string };
const eventsOf = (lines: string[], room: string): Line[] =>
  lines.map((line) => JSON.parse(line) as Line).filter(({ kind, stream }) => kind === "event" && stream.id === room);

/** As anybody could make it from an export. */
async function proofOf({ lines, kept }: Logged, room: string, seq: number): Promise<EventProof> {
  const events = eventsOf(lines, room);
  const head = kept.heads.find(({ stream }) => stream === `room:${room}`)!;
  const between = events.filter((event) => event.seq > seq && event.seq <= head.seq);
  const links = await Promise.all(between.map(async ({ header }) => nodePrimitives.sha256(concat(Uint8Array.of(0), utf8(header)))));
  const inclusion = (await inclusionOf(nodePrimitives, kept.heads, head.stream))!;
  return {
    format: "signalbox-proof/1",
    organization_id: ORGANIZATION,
    event: events[seq - 1] as never,
    links: toBase64(concat(...links)),
    inclusion: { ...inclusion, path: inclusion.path.map(toBase64) },
    checkpoint: kept.note,
  };
}

describe.each<[string, Primitives]>([
  ["Node", nodePrimitives],
  ["the browser's Web Crypto", webPrimitives],
])("with %s", (_, primitives) => {
  test("an event is proved from its first place to the head, and says when it was signed", async () => {
    const log = await logged();
    for (const seq of [1, 3, 5])
      expect(await verifyProof(primitives, await proofOf(log, "room_b", seq), [log.signer.key])).toMatchObject({
        valid: true,
        stream: "room:room_b",
        seq,
        event_type: "message.created",
        position: 15,
        signed_by: log.signer.key.id,
        problems: [],
      });
  });

  test("an erased event is proved all the same, and said to be erased", async () => {
    const log = await logged();
    const proof = await proofOf(log, "room_b", 2);
    expect(await verifyProof(primitives, { ...proof, event: { ...proof.event, data: null, salt: null } }, [log.signer.key])).toMatchObject({
      valid: true,
      erased: true,
    });
  });
});

test.each<[string, (proof: EventProof) => unknown, string]>([
  ["a byte of data", (p) => ({ ...p, event: { ...p.event, data: p.event.data!.replace("2", "3") } }), "room:room_b 2: data_hash_mismatch"],
  [
    "a byte of the header",
    (p) => ({ ...p, event: { ...p.event, header: p.event.header.replace("created", "deleted") } }),
    "room:room_b 2: hash_mismatch",
  ],
  ["another place", (p) => ({ ...p, event: { ...p.event, seq: 3 } }), "room:room_b 3: hash_mismatch"],
  ["a link less", (p) => ({ ...p, links: toBase64(new Uint8Array(64)) }), "is not what the checkpoint at position 15 was signed over"],
  ["another leaf's place", (p) => ({ ...p, inclusion: { ...p.inclusion, index: 0 } }), "is not what the checkpoint"],
  ["a tree of another size", (p) => ({ ...p, inclusion: { ...p.inclusion, size: 4 } }), "is not of the checkpoint's tree"],
  [
    "a checkpoint of another time",
    (p) => ({ ...p, checkpoint: p.checkpoint.replace("2030", "2031") }),
    "a signature that does not fit its text",
  ],
  ["no proof at all", () => ({ hello: 1 }), "it is not a proof of a form that this verifier knows"],
  ["null", () => null, "it is not a proof of a form that this verifier knows"],
])("a proof with %s changed is refused and says where", async (_, change, says) => {
  const log = await logged();
  const report = await verifyProof(nodePrimitives, change(await proofOf(log, "room_b", 2)), [log.signer.key]);
  expect(report.valid).toBe(false);
  expect(report.problems.join()).toContain(says);
});

test("a proof under another's key is refused", async () => {
  const log = await logged();
  const report = await verifyProof(nodePrimitives, await proofOf(log, "room_b", 2), [(await newSigner()).key]);
  expect(report.problems.join()).toContain("which is not among the given public keys");
});

describe("against a checkpoint that was kept", () => {
  const check = async (log: Logged, lines: string[], kept: string) =>
    verifyExportAgainst(nodePrimitives, lines, [log.signer.key], keptCheckpoints(kept)!);
  const withHeads = ({ kept }: Logged): string => `${JSON.stringify(kept)}\n`;

  test("a log that only grew since is consistent, with the note alone and with its heads", async () => {
    const log = await logged();
    for (const kept of [log.kept.note, withHeads(log)])
      expect(await check(log, log.lines, kept)).toMatchObject({ valid: true, against: [{ position: 15, consistent: true }], problems: [] });
  });

  /** Whoever holds the key cuts the log and signs what is left: only a kept checkpoint shows it. */
  async function resigned(log: Logged, keep: (event: Line) => boolean): Promise<string[]> {
    const lines = [log.lines[0]!];
    const heads = new Map<string, StreamHead>();
    for (const text of log.lines) {
      const line = JSON.parse(text) as Line & { hash: string };
      if (line.kind !== "event" || !keep(line)) continue;
      lines.push(text);
      heads.set(line.stream.id, { stream: `room:${line.stream.id}`, seq: line.seq, hash: line.hash });
    }
    const stated = [...heads.values()];
    const text = checkpointText({
      origin: `signalbox/${ORGANIZATION}`,
      streams: stated.length,
      rootHash: await rootOf(nodePrimitives, stated),
      position: 99,
      time: "2031-01-01T12:00:00.000Z",
    });
    const note = signedNote(text, log.signer.key, sign(null, Buffer.from(text), log.signer.privateKey));
    const events = lines.length - 1;
    return [...lines, JSON.stringify({ kind: "checkpoint", note, heads: stated }), JSON.stringify({ kind: "end", events, checkpoints: 1 })];
  }

  test("a tail that was cut and signed again is named with its stream", async () => {
    const log = await logged();
    const cut = await resigned(log, ({ stream, seq }) => stream.id !== "room_c" || seq < 4);
    expect(await check(log, cut, withHeads(log))).toMatchObject({
      valid: false,
      export: { valid: true },
      problems: ["room:room_c ends at 3, but the kept checkpoint was signed when it had 5 events: its tail was removed"],
    });
    expect((await check(log, cut, log.kept.note)).problems).toEqual([
      expect.stringContaining("what stands up to position 15 is not what the kept checkpoint was signed over"),
    ]);
  });

  test("a stream that was removed whole is named", async () => {
    const log = await logged();
    const cut = await resigned(log, ({ stream }) => stream.id !== "room_c");
    expect((await check(log, cut, withHeads(log))).problems).toEqual([
      "room:room_c is gone: the kept checkpoint was signed when it had 5 events",
    ]);
    expect((await check(log, cut, log.kept.note)).problems).toEqual([
      "up to position 15 the log has 2 streams, but the kept checkpoint was signed over 3",
    ]);
  });

  test("a log that ends before it says so", async () => {
    const log = await logged();
    const cut = await resigned(log, ({ seq }) => seq < 5);
    expect((await check(log, cut, log.kept.note)).problems).toEqual([
      "the log ends at position 12, but the kept checkpoint was signed at position 15: its tail was removed",
    ]);
  });

  test("a forged checkpoint proves nothing, and is called that", async () => {
    const log = await logged();
    const forged = log.kept.note.replace("position 15", "position 16");
    expect((await check(log, log.lines, forged)).problems.join()).toContain("it is forged or was changed");
    const stranger = await logged();
    expect((await check(log, log.lines, stranger.kept.note)).problems.join()).toContain("which is not among the given public keys");
    expect(keptCheckpoints("hello")).toBeNull();
    expect(keptCheckpoints('{"note":1}')).toBeNull();
  });
});
