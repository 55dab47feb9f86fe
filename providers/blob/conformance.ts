/* What every store of content promises (port.ts). */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { BlobDamaged, type Blobs } from "./port.ts";

export interface BlobsUnderTest {
  readonly blobs: Blobs;
  /** Changes what is stored, behind the store's back. */
  damage(organizationId: string, sha256: string): Promise<void>;
  /** Leaves what a put that died leaves, as old as that; resolves with its name in `everything`. */
  draft(organizationId: string, ageMs: number): Promise<string>;
  /** Names of everything that lies there, drafts and spools included. */
  everything(): Promise<string[]>;
}

const sha = (data: string | Uint8Array): string => `sha256:${createHash("sha256").update(data).digest("hex")}`;
const collected = async (chunks: AsyncIterable<Uint8Array> | null): Promise<string> => {
  const found: Uint8Array[] = [];
  for await (const chunk of chunks ?? []) found.push(chunk);
  return Buffer.concat(found).toString();
};

export function blobsConformance(started: () => BlobsUnderTest): void {
  test("what is put can be got by its hash, by its own organization only", async () => {
    const { blobs } = started();
    const stored = await blobs.put("ws_a", "hello");
    expect(stored).toEqual({ sha256: sha("hello"), sizeBytes: 5, truncated: false });
    expect((await blobs.get("ws_a", stored.sha256))?.toString()).toBe("hello");
    expect(await collected(await blobs.stream("ws_a", stored.sha256))).toBe("hello");
    expect(await blobs.get("ws_b", stored.sha256)).toBeNull();
    expect(await blobs.stream("ws_b", stored.sha256)).toBeNull();
    expect(await blobs.sizeOf("ws_a", stored.sha256)).toBe(5);
    expect(await blobs.sizeOf("ws_b", stored.sha256)).toBeNull();
  });

  test("nothing is content too", async () => {
    const { blobs } = started();
    const stored = await blobs.put("ws_a", "");
    expect(stored).toEqual({ sha256: sha(""), sizeBytes: 0, truncated: false });
    expect(await blobs.get("ws_a", stored.sha256)).toEqual(Buffer.alloc(0));
  });

  test("the same content twice, also at once, is one", async () => {
    const { blobs, everything } = started();
    await Promise.all([blobs.put("ws_c", "same"), blobs.put("ws_c", "same")]);
    await blobs.put("ws_c", "same");
    const hex = sha("same").slice(7);
    expect((await everything()).filter((name) => name.includes("ws_c"))).toEqual([`ws_c/${hex.slice(0, 2)}/${hex}`]);
  });

  test("a stream without end is cut where it was told, and its producer is stopped", async () => {
    let produced = 0;
    async function* endless(): AsyncIterable<Uint8Array> {
      for (;;) {
        produced += 1000;
        yield Buffer.alloc(1000, "x");
      }
    }
    const stored = await started().blobs.put("ws_a", endless(), { maxBytes: 2500 });
    expect(stored).toEqual({ sha256: sha("x".repeat(2500)), sizeBytes: 2500, truncated: true });
    expect(produced).toBe(3000);
  });

  test("eleven megabytes that come in pieces go in and out in pieces", async () => {
    const { blobs } = started();
    const piece = Buffer.alloc(1024 * 1024, "0123456789abcdef");
    async function* pieces(): AsyncIterable<Uint8Array> {
      for (let i = 0; i < 11; i++) yield piece;
    }
    const stored = await blobs.put("ws_a", pieces());
    expect(stored.sizeBytes).toBe(11 * piece.length);
    const hash = createHash("sha256");
    let chunks = 0;
    for await (const chunk of (await blobs.stream("ws_a", stored.sha256))!) {
      hash.update(chunk);
      chunks++;
    }
    expect(`sha256:${hash.digest("hex")}`).toBe(stored.sha256);
    expect(chunks).toBeGreaterThan(1);
  });

  test("a producer that fails leaves nothing behind, however much it had said", async () => {
    const { blobs, everything } = started();
    const before = await everything();
    async function* failing(): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(6 * 1024 * 1024, "half");
      throw new Error("cut");
    }
    await expect(blobs.put("ws_a", failing())).rejects.toThrow("cut");
    expect(await everything()).toEqual(before);
  });

  test("a name is told before anything has it, and what objects to it ends the put", async () => {
    const { blobs, everything } = started();
    const before = await everything();
    const told: unknown[] = [];
    for (const content of ["told", Buffer.alloc(5 * 1024 * 1024, "told")]) {
      const { sha256 } = await blobs.put("ws_told", content, {
        beforeNamed: async (name) => void told.push(name, await blobs.sizeOf("ws_told", name)),
      });
      expect(told.splice(0)).toEqual([sha256, null]);
      await blobs.erase("ws_told", sha256);
      const refused = blobs.put("ws_told", content, { beforeNamed: () => Promise.reject(new Error("not this one")) });
      await expect(refused).rejects.toThrow("not this one");
    }
    expect(await everything()).toEqual(before);
  });

  test("what a put that died left is removed once it is old, and nothing else is", async () => {
    const { blobs, draft, everything } = started();
    const { sha256 } = await blobs.put("ws_draft", "whole");
    const before = await everything();
    const old = await draft("ws_draft", 3_600_000);
    const young = await draft("ws_draft", 0);
    expect(await everything()).toEqual([...before, old, young].toSorted());
    expect(await blobs.removeDrafts(60_000)).toBe(1);
    expect(await everything()).toEqual([...before, young].toSorted());
    expect(await blobs.removeDrafts(0)).toBe(1);
    expect((await blobs.get("ws_draft", sha256))?.toString()).toBe("whole");
  });

  test.each(["../../etc/passwd", "sha256:../../../etc/passwd", "sha256:ABC", "", `sha256:${"0".repeat(63)}/`])(
    "%j names no blob",
    async (name) => {
      const { blobs } = started();
      expect(await blobs.get("ws_a", name)).toBeNull();
      expect(await blobs.stream("ws_a", name)).toBeNull();
      expect(await blobs.sizeOf("ws_a", name)).toBeNull();
      await blobs.erase("ws_a", name);
    },
  );

  test.each(["../evil", "ws_../a", "", "ws_a/b"])("%j is no organization, and leads nowhere", async (organization) => {
    const { blobs } = started();
    await expect(blobs.put(organization, "x")).rejects.toThrow("not an organization id");
    await expect(blobs.get(organization, sha("x"))).rejects.toThrow("not an organization id");
    await expect(blobs.removeAll(organization)).rejects.toThrow("not an organization id");
  });

  test("a read can be limited", async () => {
    const { blobs } = started();
    const { sha256 } = await blobs.put("ws_a", "0123456789");
    const first = async (maxBytes: number) => (await blobs.get("ws_a", sha256, { maxBytes }))?.toString();
    expect([await first(0), await first(4), await first(10), await first(400)]).toEqual(["", "0123", "0123456789", "0123456789"]);
    expect(await blobs.get("ws_a", sha("never"), { maxBytes: 4 })).toBeNull();
  });

  test("what was changed where it lies is not handed out as what it was", async () => {
    const { blobs, damage } = started();
    const { sha256 } = await blobs.put("ws_a", "the whole truth");
    await damage("ws_a", sha256);
    await expect(blobs.get("ws_a", sha256)).rejects.toThrow(BlobDamaged);
    await expect(blobs.get("ws_a", sha256, { maxBytes: 1000 })).rejects.toThrow(BlobDamaged);
    const stream = await blobs.stream("ws_a", sha256);
    await expect(collected(stream)).rejects.toThrow(BlobDamaged);
    await blobs.put("ws_a", "the whole truth");
    expect((await blobs.get("ws_a", sha256))?.toString()).toBe("the whole truth");
  });

  test("what is erased is gone, of this organization only, and can be erased again", async () => {
    const { blobs } = started();
    const { sha256 } = await blobs.put("ws_a", "to be gone");
    await blobs.put("ws_b", "to be gone");
    await blobs.erase("ws_a", sha256);
    await blobs.erase("ws_a", sha256);
    expect(await blobs.get("ws_a", sha256)).toBeNull();
    expect(await blobs.sizeOf("ws_b", sha256)).toBe(10);
  });

  test("an organization is removed with everything in it, and no other whose name begins alike", async () => {
    const { blobs } = started();
    const put = await Promise.all(Array.from({ length: 9 }, (_, i) => blobs.put("ws_gone", `content ${i}`)));
    const other = await blobs.put("ws_gone2", "stays");
    await blobs.removeAll("ws_gone");
    await blobs.removeAll("ws_gone");
    for (const { sha256 } of put) expect(await blobs.sizeOf("ws_gone", sha256)).toBeNull();
    expect(await blobs.sizeOf("ws_gone2", other.sha256)).toBe(5);
  });

  test("a list has everything once, with its size", async () => {
    const { blobs } = started();
    const stored = await Promise.all(["one", "second", "the third"].map((text) => blobs.put("ws_listed", text)));
    const listed = [];
    for await (const one of blobs.list()) listed.push(one);
    expect(listed.filter(({ organizationId }) => organizationId === "ws_listed")).toEqual(
      stored
        .map(({ sha256, sizeBytes }) => ({ organizationId: "ws_listed", sha256, sizeBytes }))
        .toSorted((a, b) => (a.sha256 < b.sha256 ? -1 : 1)),
    );
    expect(await blobs.problem()).toBeNull();
  });
}
