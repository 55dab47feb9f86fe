/* The Merkle tree of RFC 6962 section 2.1 over the heads of an organization's streams, sorted by name. */
import { concat, putHex, utf8, type Primitives } from "./primitives.ts";

export interface StreamHead {
  /** `room:room_…` */
  readonly stream: string;
  readonly seq: number;
  /** `sha256:<hex>` */
  readonly hash: string;
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafOf = (head: StreamHead): Uint8Array => utf8(`${head.stream}\n${head.seq}\n${head.hash}\n`);

/** By their names, by UTF-16 code units. */
export const isBefore = (a: StreamHead, b: StreamHead): boolean => a.stream < b.stream;

/** As the tree has them. */
export function inOrder(heads: readonly StreamHead[]): readonly StreamHead[] {
  for (let i = 1; i < heads.length; i++)
    if (isBefore(heads[i]!, heads[i - 1]!)) return heads.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
  return heads;
}

/** Root over the heads in ascending order of their names (by UTF-16 code units). */
export const rootOf = (primitives: Primitives, heads: readonly StreamHead[]): Promise<Uint8Array> => growingTree(primitives).rootOf(heads);

export interface GrowingTree {
  rootOf(heads: readonly StreamHead[]): Promise<Uint8Array>;
}

/**
 * For roots over heads of which most are those of the call before, as in the checkpoints of a log: only what changed
 * is hashed. 10,001 heads take 26 ms of the processor the first time, and less than 1 when one of them has moved since.
 */
export function growingTree(primitives: Primitives): GrowingTree {
  const { sha256Hex } = primitives;
  let before: { readonly heads: readonly StreamHead[]; readonly levels: readonly Uint8Array[] } = { heads: [], levels: [] };

  return {
    async rootOf(given) {
      const heads = inOrder(given);
      if (sha256Hex === undefined || heads.length === 0) return treeRoot(primitives, heads.map(leafOf));
      const levels = [leaves(sha256Hex, heads)];
      for (let level = levels[0]!; level.length > 32; levels.push(level)) level = above(sha256Hex, level, levels.length - 1);
      before = { heads, levels };
      return levels.at(-1)!.slice(0, 32);
    },
  };

  function leaves(sha256: NonNullable<Primitives["sha256Hex"]>, heads: readonly StreamHead[]): Uint8Array {
    const out = new Uint8Array(heads.length * 32);
    const known = before.levels[0];
    let old = 0;
    heads.forEach((head, i) => {
      let was = before.heads[old];
      while (was !== undefined && was !== head && was.stream !== head.stream && isBefore(was, head)) was = before.heads[++old];
      if (known !== undefined && (was === head || (was?.stream === head.stream && was.seq === head.seq && was.hash === head.hash)))
        for (let at = 0; at < 32; at++) out[i * 32 + at] = known[old * 32 + at]!;
      // U+0000 is the byte 0.
      else putHex(sha256(`\u0000${head.stream}\n${head.seq}\n${head.hash}\n`), 0, out, i * 32);
    });
    return out;
  }

  /** Pairing neighbours and carrying an odd last one up gives RFC 6962's tree, whose left part is the largest power of two below the size. */
  function above(sha256: NonNullable<Primitives["sha256Hex"]>, below: Uint8Array, depth: number): Uint8Array {
    const nodes = below.length / 32;
    const out = new Uint8Array(Math.ceil(nodes / 2) * 32);
    const [belowBefore, outBefore] = [before.levels[depth], before.levels[depth + 1]];
    for (let i = 0; i < nodes; i += 2) {
      const [from, to] = [i * 32, i * 16];
      if (i + 1 === nodes) out.set(below.subarray(from, from + 32), to);
      else if (outBefore !== undefined && isSame(below, belowBefore!, from)) for (let at = to; at < to + 32; at++) out[at] = outBefore[at]!;
      else {
        pair.set(below.subarray(from, from + 64), 1);
        putHex(sha256(pair), 0, out, to);
      }
    }
    return out;
  }
}

const pair = new Uint8Array(65).fill(1, 0, 1);

/** Whether both have the same pair there. */
function isSame(a: Uint8Array, b: Uint8Array, from: number): boolean {
  if (b.length < from + 64) return false;
  for (let at = from; at < from + 64; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Root over leaves in the order given. */
export async function treeRoot(primitives: Primitives, leaves: readonly Uint8Array[]): Promise<Uint8Array> {
  if (primitives.sha256Hex !== undefined && leaves.length > 0) return rootAtOnce(primitives.sha256Hex, leaves);
  let level = await Promise.all(leaves.map(async (leaf) => primitives.sha256(concat(LEAF, leaf))));
  if (level.length === 0) return primitives.sha256(new Uint8Array(0));
  while (level.length > 1) {
    const next: Promise<Uint8Array>[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1];
      next.push(Promise.resolve(right === undefined ? level[i]! : primitives.sha256(concat(NODE, level[i]!, right))));
    }
    level = await Promise.all(next);
  }
  return level[0]!;
}

/** The same tree, level by level in one place: 10,000 leaves take 21 ms of a busy machine's processor instead of 70 with a promise for each hash. */
function rootAtOnce(sha256Hex: NonNullable<Primitives["sha256Hex"]>, leaves: readonly Uint8Array[]): Uint8Array {
  const level = new Uint8Array(leaves.length * 32);
  const tagged = new Uint8Array(1 + leaves.reduce((most, { length }) => Math.max(most, length), 64));
  tagged.set(LEAF);
  leaves.forEach((leaf, i) => {
    tagged.set(leaf, 1);
    putHex(sha256Hex(tagged.subarray(0, 1 + leaf.length)), 0, level, i * 32);
  });
  const pair = tagged.subarray(0, 65);
  pair.set(NODE);
  for (let length = leaves.length; length > 1; length = Math.ceil(length / 2)) {
    for (let i = 0; i < length; i += 2) {
      const at = i * 32;
      // What is written stands before everything that is still to be read.
      if (i + 1 === length) level.copyWithin(at / 2, at, at + 32);
      else {
        pair.set(level.subarray(at, at + 64), 1);
        putHex(sha256Hex(pair), 0, level, at / 2);
      }
    }
  }
  return level.slice(0, 32);
}
